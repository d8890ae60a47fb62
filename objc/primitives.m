/* primitives.m: Metal Performance Shaders for what Apple has tuned for each GPU. */
#import "metal_driver.h"

#import <MetalPerformanceShaders/MetalPerformanceShaders.h>

static mp_status check_matrix(const mp_matrix *matrix, const char *what, mp_error *error)
{
    uint32_t item = matrix->scalar == MP_SCALAR_FLOAT32 ? 4 : 2;
    if (matrix->scalar != MP_SCALAR_FLOAT32 && matrix->scalar != MP_SCALAR_FLOAT16)
        return mtl_fail(error, MP_ERROR_UNSUPPORTED, "the %s matrix must be of float32 or float16", what);
    if (!matrix->buffer || matrix->rows == 0 || matrix->columns == 0 || matrix->row_bytes % item ||
        matrix->row_bytes < (uint64_t)matrix->columns * item || matrix->offset % item)
        return mtl_fail(error, MP_ERROR_INVALID, "the %s matrix of %u rows and %u columns, %llu bytes apart, cannot be",
                        what, matrix->rows, matrix->columns, (unsigned long long)matrix->row_bytes);
    uint64_t length = matrix->buffer->buffer.length;
    uint64_t needed = matrix->row_bytes * (matrix->rows - 1) + (uint64_t)matrix->columns * item;
    if (matrix->offset > length || needed > length - matrix->offset)
        return mtl_fail(error, MP_ERROR_INVALID, "the %s matrix does not fit its buffer of %llu bytes", what,
                        (unsigned long long)length);
    /* These encode passes of their own, which no fence of ours can order. */
    if (matrix->buffer->untracked)
        return mtl_fail(error, MP_ERROR_UNSUPPORTED, "the %s matrix lies in untracked memory", what);
    return MP_OK;
}

static mp_status check_support(mp_queue *queue, mp_error *error)
{
    if (MPSSupportsMTLDevice(queue->device->device))
        return MP_OK;
    return mtl_fail(error, MP_ERROR_UNSUPPORTED, "this GPU has no Metal Performance Shaders");
}

static MPSMatrix *wrapped(const mp_matrix *matrix)
{
    MPSDataType type = matrix->scalar == MP_SCALAR_FLOAT32 ? MPSDataTypeFloat32 : MPSDataTypeFloat16;
    MPSMatrixDescriptor *descriptor = [MPSMatrixDescriptor matrixDescriptorWithRows:matrix->rows
                                                                            columns:matrix->columns
                                                                           rowBytes:matrix->row_bytes
                                                                           dataType:type];
    return [[[MPSMatrix alloc] initWithBuffer:matrix->buffer->buffer
                                       offset:matrix->offset
                                   descriptor:descriptor] autorelease];
}

/* With record_lock: a command buffer between passes. */
static struct mtl_batch *between_passes(mp_queue *queue, mp_error *error)
{
    struct mtl_batch *batch = mtl_open_batch(queue, error);
    if (batch)
        mtl_end_encoder(queue);
    return batch;
}

mp_status mtl_queue_matmul(mp_queue *queue, const mp_matrix *target, const mp_matrix *left, const mp_matrix *right,
                           double alpha, double beta, uint64_t *serial, mp_error *error)
{
    MTL_ENTER(error)
    mp_status status = check_support(queue, error);
    if (status || (status = check_matrix(target, "target", error)) || (status = check_matrix(left, "left", error)) ||
        (status = check_matrix(right, "right", error)))
        return status;
    uint32_t rows = left->transposed ? left->columns : left->rows;
    uint32_t inner = left->transposed ? left->rows : left->columns;
    uint32_t right_inner = right->transposed ? right->columns : right->rows;
    uint32_t columns = right->transposed ? right->rows : right->columns;
    if (inner != right_inner || rows != target->rows || columns != target->columns || target->transposed)
        return mtl_fail(error, MP_ERROR_INVALID, "matrices of (%u, %u) and (%u, %u) do not make one of (%u, %u)", rows,
                        inner, right_inner, columns, target->rows, target->columns);
    MPSMatrixMultiplication *primitive =
        [[[MPSMatrixMultiplication alloc] initWithDevice:queue->device->device
                                           transposeLeft:left->transposed != 0
                                          transposeRight:right->transposed != 0
                                              resultRows:rows
                                           resultColumns:columns
                                         interiorColumns:inner
                                                   alpha:alpha
                                                    beta:beta] autorelease];
    pthread_mutex_lock(&queue->record_lock);
    struct mtl_batch *batch = between_passes(queue, error);
    if (batch) {
        [primitive encodeToCommandBuffer:batch->buffer
                              leftMatrix:wrapped(left)
                             rightMatrix:wrapped(right)
                            resultMatrix:wrapped(target)];
        mtl_recorded(queue, serial);
    }
    pthread_mutex_unlock(&queue->record_lock);
    return batch ? MP_OK : MP_ERROR_MEMORY;
    MTL_LEAVE(error)
}

mp_status mtl_queue_softmax(mp_queue *queue, const mp_matrix *target, const mp_matrix *source, uint64_t *serial,
                            mp_error *error)
{
    MTL_ENTER(error)
    mp_status status = check_support(queue, error);
    if (status || (status = check_matrix(target, "target", error)) ||
        (status = check_matrix(source, "source", error)))
        return status;
    if (target->rows != source->rows || target->columns != source->columns)
        return mtl_fail(error, MP_ERROR_INVALID, "softmax of (%u, %u) does not make (%u, %u)", source->rows,
                        source->columns, target->rows, target->columns);
    MPSMatrixSoftMax *primitive = [[[MPSMatrixSoftMax alloc] initWithDevice:queue->device->device] autorelease];
    pthread_mutex_lock(&queue->record_lock);
    struct mtl_batch *batch = between_passes(queue, error);
    if (batch) {
        [primitive encodeToCommandBuffer:batch->buffer inputMatrix:wrapped(source) resultMatrix:wrapped(target)];
        mtl_recorded(queue, serial);
    }
    pthread_mutex_unlock(&queue->record_lock);
    return batch ? MP_OK : MP_ERROR_MEMORY;
    MTL_LEAVE(error)
}
