/* primitives.m: matrices, by the plainest loops. */
#import "standin.h"

#import <MetalPerformanceShaders/MetalPerformanceShaders.h>

#include <math.h>
#include <stdlib.h>

BOOL MPSSupportsMTLDevice(id<MTLDevice> device)
{
    return device != nil;
}

@implementation MPSMatrixDescriptor

+ (instancetype)matrixDescriptorWithRows:(NSUInteger)rows
                                 columns:(NSUInteger)columns
                                rowBytes:(NSUInteger)rowBytes
                                dataType:(MPSDataType)dataType
{
    MPSMatrixDescriptor *made = [[[self alloc] init] autorelease];
    NSUInteger item = dataType == MPSDataTypeFloat32 ? 4 : 2;
    REQUIRE(rows && columns && rowBytes >= columns * item && rowBytes % item == 0, @"the matrix cannot be");
    made->_rows = rows;
    made->_columns = columns;
    made->_rowBytes = rowBytes;
    made->_type = dataType;
    return made;
}

- (NSUInteger)rows
{
    return _rows;
}

- (NSUInteger)columns
{
    return _columns;
}

- (NSUInteger)rowBytes
{
    return _rowBytes;
}

- (MPSDataType)dataType
{
    return _type;
}

@end

struct matrix {
    char *memory;
    NSUInteger rows, columns, row_bytes;
    BOOL half_precision;
};

static double from_half(uint16_t bits)
{
    int exponent = bits >> 10 & 31, fraction = bits & 1023;
    double size = exponent == 31 ? (fraction ? NAN : INFINITY)
                  : exponent     ? ldexp(1024 + fraction, exponent - 25)
                                 : ldexp(fraction, -24);
    return bits & 0x8000 ? -size : size;
}

/* To nearest, ties to even, by rounding a double at the last place of the half. */
static uint16_t to_half(double value)
{
    uint16_t sign = signbit(value) ? 0x8000 : 0;
    int exponent;
    value = fabs(value);
    if (isnan(value))
        return 0x7e00;
    frexp(value, &exponent);
    int place = exponent < -13 ? -24 : exponent - 11; /* of the last bit */
    double units = isinf(value) ? value : rint(ldexp(value, -place));
    if (isinf(units) || ldexp(units, place) > 65504)
        return sign | 0x7c00;
    return sign | (uint16_t)(place == -24 ? units : units + (double)((place + 24) << 10));
}

static double get(const struct matrix *matrix, NSUInteger row, NSUInteger column)
{
    const char *start = matrix->memory + row * matrix->row_bytes;
    return matrix->half_precision ? from_half(((const uint16_t *)start)[column]) : (double)((const float *)start)[column];
}

static void set(const struct matrix *matrix, NSUInteger row, NSUInteger column, double value)
{
    char *start = matrix->memory + row * matrix->row_bytes;
    if (matrix->half_precision)
        ((uint16_t *)start)[column] = to_half(value);
    else
        ((float *)start)[column] = (float)value;
}

@implementation MPSMatrix

- (instancetype)initWithBuffer:(id<MTLBuffer>)buffer
                        offset:(NSUInteger)offset
                    descriptor:(MPSMatrixDescriptor *)descriptor
{
    if ((self = [super init])) {
        REQUIRE(offset + descriptor.rowBytes * (descriptor.rows - 1) < buffer.length, @"the matrix is beyond its buffer");
        _buffer = [buffer retain];
        _offset = offset;
        _descriptor = [descriptor retain];
    }
    return self;
}

- (void)dealloc
{
    [_buffer release];
    [_descriptor release];
    [super dealloc];
}

- (struct matrix)matrixKeptBy:(StandinCommandBuffer *)buffer
{
    [buffer keep:_buffer];
    mp_buffer *handle = ((StandinBuffer *)_buffer)->_handle;
    return (struct matrix){(char *)standin_executor->buffer_contents(handle) + _offset, _descriptor.rows,
                           _descriptor.columns, _descriptor.rowBytes, _descriptor.dataType == MPSDataTypeFloat16};
}

@end

struct product {
    struct matrix left, right, result;
    BOOL transpose_left, transpose_right;
    NSUInteger inner;
    double alpha, beta;
};

static void multiply(void *context)
{
    const struct product *p = context;
    for (NSUInteger row = 0; row < p->result.rows; row++) {
        for (NSUInteger column = 0; column < p->result.columns; column++) {
            double sum = 0;
            for (NSUInteger k = 0; k < p->inner; k++)
                sum += (p->transpose_left ? get(&p->left, k, row) : get(&p->left, row, k)) *
                       (p->transpose_right ? get(&p->right, column, k) : get(&p->right, k, column));
            double before = p->beta != 0 ? p->beta * get(&p->result, row, column) : 0;
            set(&p->result, row, column, p->alpha * sum + before);
        }
    }
}

@implementation MPSMatrixMultiplication

- (instancetype)initWithDevice:(id<MTLDevice>)device
                 transposeLeft:(BOOL)transposeLeft
                transposeRight:(BOOL)transposeRight
                    resultRows:(NSUInteger)resultRows
                 resultColumns:(NSUInteger)resultColumns
               interiorColumns:(NSUInteger)interiorColumns
                         alpha:(double)alpha
                          beta:(double)beta
{
    if ((self = [super init])) {
        REQUIRE(device != nil, @"device must not be nil.");
        _transposeLeft = transposeLeft;
        _transposeRight = transposeRight;
        _rows = resultRows;
        _columns = resultColumns;
        _inner = interiorColumns;
        _alpha = alpha;
        _beta = beta;
    }
    return self;
}

- (void)encodeToCommandBuffer:(id<MTLCommandBuffer>)commandBuffer
                   leftMatrix:(MPSMatrix *)left
                  rightMatrix:(MPSMatrix *)right
                 resultMatrix:(MPSMatrix *)result
{
    StandinCommandBuffer *buffer = (StandinCommandBuffer *)commandBuffer;
    struct standin_command *command = [buffer addCommand:RUN_CALL from:nil];
    struct product *product = calloc(1, sizeof *product);
    *product = (struct product){[left matrixKeptBy:buffer], [right matrixKeptBy:buffer], [result matrixKeptBy:buffer],
                                _transposeLeft, _transposeRight, _inner, _alpha, _beta};
    product->result.rows = _rows;
    product->result.columns = _columns;
    command->call = multiply;
    command->context = product;
}

@end

static void soften(void *context)
{
    const struct product *p = context;
    for (NSUInteger row = 0; row < p->left.rows; row++) {
        double most = -INFINITY, sum = 0;
        for (NSUInteger column = 0; column < p->left.columns; column++)
            most = fmax(most, get(&p->left, row, column));
        for (NSUInteger column = 0; column < p->left.columns; column++)
            sum += exp(get(&p->left, row, column) - most);
        for (NSUInteger column = 0; column < p->left.columns; column++)
            set(&p->result, row, column, exp(get(&p->left, row, column) - most) / sum);
    }
}

@implementation MPSMatrixSoftMax

- (instancetype)initWithDevice:(id<MTLDevice>)device
{
    if ((self = [super init]))
        REQUIRE(device != nil, @"device must not be nil.");
    return self;
}

- (void)encodeToCommandBuffer:(id<MTLCommandBuffer>)commandBuffer
                  inputMatrix:(MPSMatrix *)input
                 resultMatrix:(MPSMatrix *)result
{
    StandinCommandBuffer *buffer = (StandinCommandBuffer *)commandBuffer;
    struct standin_command *command = [buffer addCommand:RUN_CALL from:nil];
    struct product *product = calloc(1, sizeof *product);
    *product = (struct product){.left = [input matrixKeptBy:buffer], .result = [result matrixKeptBy:buffer]};
    command->call = soften;
    command->context = product;
}

@end
