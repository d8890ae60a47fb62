// Steps of optimizers, in place. The host defines T, the type of the parameters; what is remembered is float.

#include <metal_stdlib>
using namespace metal;

#ifndef T // on its own, for tools
#define T float
#endif

kernel void sgd(device T *x, device const T *gradient, constant float &rate, constant float &decay,
                uint i [[thread_position_in_grid]]) {
  float value = float(x[i]);
  x[i] = T(value - rate * (float(gradient[i]) + decay * value));
}

kernel void sgd_momentum(device T *x, device const T *gradient, device float *velocity, constant float &rate,
                         constant float &decay, constant float &momentum, constant float &share,
                         constant bool &nesterov, uint i [[thread_position_in_grid]]) {
  float value = float(x[i]), slope = float(gradient[i]) + decay * value;
  float next = momentum * velocity[i] + share * slope;
  velocity[i] = next;
  x[i] = T(value - rate * (nesterov ? slope + momentum * next : next));
}

struct Adam {
  float first, second;  // shares of the means that are kept
  float step;           // learning rate over the first mean's correction
  float root;           // of the second mean's correction
  float eps;
  float decay;
  bool decoupled;       // decay shrinks the parameter instead of adding to the gradient
};

// One parameter. `largest`, where the greatest mean square so far is kept, may be null: then the present one is used.
inline void adam_step(device T *x, device const T *gradient, device float *mean, device float *square,
                      device float *largest, constant Adam &facts, uint i) {
  float value = float(x[i]), slope = float(gradient[i]);
  if (facts.decoupled)
    value -= facts.decay * value;
  else
    slope += facts.decay * value;
  float m = facts.first * mean[i] + (1.0f - facts.first) * slope;
  float v = facts.second * square[i] + (1.0f - facts.second) * slope * slope;
  mean[i] = m;
  square[i] = v;
  if (largest) {
    v = max(v, largest[i]);
    largest[i] = v;
  }
  x[i] = T(value - facts.step * m / (sqrt(v) / facts.root + facts.eps));
}

kernel void adam(device T *x, device const T *gradient, device float *mean, device float *square,
                 constant Adam &facts, uint i [[thread_position_in_grid]]) {
  adam_step(x, gradient, mean, square, nullptr, facts, i);
}

kernel void adam_largest(device T *x, device const T *gradient, device float *mean, device float *square,
                         device float *largest, constant Adam &facts, uint i [[thread_position_in_grid]]) {
  adam_step(x, gradient, mean, square, largest, facts, i);
}
