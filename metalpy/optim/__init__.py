"""Optimizers: how parameters follow their gradients."""

from metalpy.optim import lr_scheduler
from metalpy.optim.clipping import clip_grad_norm, clip_grad_value
from metalpy.optim.optimizers import SGD, Adam, AdamW, Optimizer

__all__ = ["SGD", "Adam", "AdamW", "Optimizer", "clip_grad_norm", "clip_grad_value", "lr_scheduler"]
