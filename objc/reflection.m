/* reflection.m: what Metal knows of a kernel's arguments, as records of the ABI. */
#import "metal_driver.h"

#import "later.h"

/* "MTLDataType": a scalar type is followed by its vectors of 2, 3 and 4, and where there are matrices, by those of 2x2
 * to 4x4. */
static const struct {
    MTLDataType first;
    uint32_t scalar;
    uint32_t bytes;
    bool matrices;
} families[] = {
    {MTLDataTypeFloat, MP_SCALAR_FLOAT32, 4, true},
    {MTLDataTypeHalf, MP_SCALAR_FLOAT16, 2, true},
    {MTLDataTypeInt, MP_SCALAR_INT32, 4, false},
    {MTLDataTypeUInt, MP_SCALAR_UINT32, 4, false},
    {MTLDataTypeShort, MP_SCALAR_INT16, 2, false},
    {MTLDataTypeUShort, MP_SCALAR_UINT16, 2, false},
    {MTLDataTypeChar, MP_SCALAR_INT8, 1, false},
    {MTLDataTypeUChar, MP_SCALAR_UINT8, 1, false},
    {MTLDataTypeBool, MP_SCALAR_BOOL, 1, false},
    {MTLDataTypeLong, MP_SCALAR_INT64, 8, false},
    {MTLDataTypeULong, MP_SCALAR_UINT64, 8, false},
    {(MTLDataType)MTL_DATA_TYPE_BFLOAT, MP_SCALAR_BFLOAT16, 2, false},
};
#define FAMILIES (sizeof families / sizeof *families)

uint32_t mtl_scalar_of(MTLDataType type, uint32_t *count)
{
    for (unsigned i = 0; i < FAMILIES; i++) {
        if (type >= families[i].first && type < families[i].first + 4) {
            *count = (uint32_t)(type - families[i].first) + 1;
            return families[i].scalar;
        }
    }
    *count = 0;
    return MP_SCALAR_NONE;
}

MTLDataType mtl_type_of(uint32_t scalar, uint32_t count)
{
    for (unsigned i = 0; i < FAMILIES && count >= 1 && count <= 4; i++) {
        if (families[i].scalar == scalar)
            return (MTLDataType)(families[i].first + count - 1);
    }
    return MTLDataTypeNone;
}

/* Fills in what a scalar, vector or matrix type says by itself. */
static void describe_plain(MTLDataType type, mp_type_record *record)
{
    for (unsigned i = 0; i < FAMILIES; i++) {
        NSUInteger number = type - families[i].first;
        if (type < families[i].first || number >= (families[i].matrices ? 13u : 4u))
            continue;
        uint64_t bytes = families[i].bytes;
        record->scalar = families[i].scalar;
        if (number == 0) {
            record->kind = MP_TYPE_SCALAR;
            record->size = record->alignment = bytes;
        } else if (number < 4) {
            record->kind = MP_TYPE_VECTOR;
            record->counts[0] = (uint32_t)number + 1;
            if (record->size == bytes * record->counts[0] && number == 2) { /* packed: its size is known to be that */
                record->alignment = bytes;
                return;
            }
            record->size = record->alignment = bytes * (number == 1 ? 2 : 4);
        } else {
            record->kind = MP_TYPE_MATRIX;
            record->counts[0] = (uint32_t)(number - 4) / 3 + 2; /* columns */
            record->counts[1] = (uint32_t)(number - 4) % 3 + 2; /* rows */
            record->stride = record->alignment = bytes * (record->counts[1] == 2 ? 2 : 4);
            record->size = record->stride * record->counts[0];
        }
        return;
    }
}

/* Walks, handing every record to `each` where that is not NULL; returns the size and alignment of `type`. */
struct walk {
    mp_type_callback each;
    void *context;
};
static mp_type_record walk_type(struct walk walk, mp_type_record record, MTLDataType type, MTLStructType *members,
                                MTLArrayType *array, MTLPointerType *pointer, MTLTextureReferenceType *texture);

static void hand(struct walk walk, const mp_type_record *record)
{
    if (walk.each)
        walk.each(walk.context, record);
}

/* Metal does not tell a packed vector from one that is not. One that would not fit where it is, or would not be aligned
 * there, must be packed: then its bytes are known, and describe_plain takes it for one. */
static mp_type_record member_record(MTLStructMember *member, uint64_t end)
{
    mp_type_record natural = {0};
    uint32_t count;
    mp_type_record record = {.offset = member.offset, .name = member.name.UTF8String};
    describe_plain(member.dataType, &natural);
    if (natural.kind == MP_TYPE_VECTOR && (member.offset % natural.alignment || member.offset + natural.size > end)) {
        mtl_scalar_of(member.dataType, &count);
        record.size = natural.size / (count == 3 ? 4 : count) * count;
    }
    return record;
}

/* Walks through the members, and takes from them what Metal does not tell of the struct: its size and alignment. */
static void walk_members(struct walk walk, mp_type_record *record, NSArray<MTLStructMember *> *members)
{
    uint64_t known = record->size ? record->size : UINT64_MAX;
    uint64_t end = 0;
    for (NSUInteger i = 0; i < members.count; i++) {
        MTLStructMember *member = [members objectAtIndex:i];
        uint64_t next = i + 1 < members.count ? [[members objectAtIndex:i + 1] offset] : known;
        if (next <= member.offset) /* a union's members lie over each other */
            next = known;
        mp_type_record part = member_record(member, next);
        part.depth = record->depth + 1;
        part = walk_type(walk, part, member.dataType, member.structType, member.arrayType, member.pointerType,
                         member.textureReferenceType);
        if (part.alignment > record->alignment && member.offset % part.alignment == 0)
            record->alignment = part.alignment;
        if (member.offset + part.size > end)
            end = member.offset + part.size;
    }
    if (record->alignment == 0)
        record->alignment = 1;
    if (record->size == 0)
        record->size = (end + record->alignment - 1) / record->alignment * record->alignment;
}

/* A parent's record goes before those of its parts, but says what follows from them: so they are walked twice. */
static mp_type_record walk_struct(struct walk walk, mp_type_record record, MTLStructType *type)
{
    NSArray<MTLStructMember *> *members = type.members;
    record.kind = MP_TYPE_STRUCT;
    walk_members((struct walk){NULL, NULL}, &record, members);
    if (walk.each) {
        mp_type_record again = record;
        hand(walk, &record);
        walk_members(walk, &again, members);
    }
    return record;
}

static mp_type_record walk_array(struct walk walk, mp_type_record record, MTLArrayType *type)
{
    const struct walk silent = {NULL, NULL};
    mp_type_record element = walk_type(silent, (mp_type_record){.depth = record.depth + 1, .name = ""},
                                       type.elementType, type.elementStructType, type.elementArrayType,
                                       type.elementPointerType, type.elementTextureReferenceType);
    record.kind = MP_TYPE_ARRAY;
    record.counts[0] = (uint32_t)type.arrayLength;
    record.stride = type.stride;
    record.size = type.stride * type.arrayLength;
    record.alignment = element.alignment;
    hand(walk, &record);
    if (walk.each)
        walk_type(walk, (mp_type_record){.depth = record.depth + 1, .name = ""}, type.elementType,
                  type.elementStructType, type.elementArrayType, type.elementPointerType,
                  type.elementTextureReferenceType);
    return record;
}

/* What argument buffers hold of textures and samplers ("MTLResourceID"), and arrays of arguments count in. */
#define HANDLE_BYTES 8

static mp_type_record describe_texture(mp_type_record record, MTLTextureType type, MTLDataType scalar, bool depth,
                                       MTLArgumentAccess access)
{
    uint32_t count;
    record.kind = MP_TYPE_TEXTURE;
    record.size = record.alignment = HANDLE_BYTES;
    record.scalar = mtl_scalar_of(scalar, &count);
    record.counts[0] = (uint32_t)type;
    record.counts[1] = depth;
    record.writes = (uint32_t)access; /* the ABI's numbers are Metal's */
    return record;
}

static mp_type_record describe_sampler(mp_type_record record)
{
    record.kind = MP_TYPE_SAMPLER;
    record.size = record.alignment = HANDLE_BYTES;
    return record;
}

static mp_type_record walk_type(struct walk walk, mp_type_record record, MTLDataType type, MTLStructType *members,
                                MTLArrayType *array, MTLPointerType *pointer, MTLTextureReferenceType *texture)
{
    if (type == MTLDataTypeStruct && members)
        return walk_struct(walk, record, members);
    if (type == MTLDataTypeArray && array)
        return walk_array(walk, record, array);
    describe_plain(type, &record);
    if (type == MTLDataTypeTexture) {
        record = describe_texture(record, texture.textureType, texture.textureDataType, texture.isDepthTexture,
                                  texture.access);
    } else if (type == MTLDataTypeSampler) {
        record = describe_sampler(record);
    } else if (type == MTLDataTypePointer) {
        record.kind = MP_TYPE_POINTER;
        record.size = record.alignment = 8;
    } else if (record.kind == MP_TYPE_UNKNOWN && record.alignment == 0) {
        record.alignment = 1;
    }
    hand(walk, &record);
    if (type == MTLDataTypePointer && pointer && walk.each) {
        /* What a nested pointer points to is named, not followed: a struct may point to itself. */
        mp_type_record target = {.depth = record.depth + 1, .size = pointer.dataSize, .name = ""};
        target.alignment = pointer.alignment;
        describe_plain(pointer.elementType, &target);
        hand(walk, &target);
    }
    return record;
}

/* A texture or sampler; of an array of them Metal tells the first index and the length. */
static void walk_handle(struct walk walk, mp_type_record record, MTLArgument *argument)
{
    bool several = argument.arrayLength > 1, texture = argument.type == MTLArgumentTypeTexture;
    record.binding = texture ? MP_ARGUMENT_TEXTURE : MP_ARGUMENT_SAMPLER;
    record.writes = texture ? (uint32_t)argument.access : 0;
    mp_type_record element = several ? (mp_type_record){.depth = 1, .name = ""} : record;
    if (several) {
        record.kind = MP_TYPE_ARRAY;
        record.counts[0] = (uint32_t)argument.arrayLength;
        record.stride = record.alignment = HANDLE_BYTES;
        record.size = HANDLE_BYTES * argument.arrayLength;
        hand(walk, &record);
    }
    element = texture ? describe_texture(element, argument.textureType, argument.textureDataType,
                                         argument.isDepthTexture, argument.access)
                      : describe_sampler(element);
    hand(walk, &element);
}

static void walk_argument(struct walk walk, MTLArgument *argument)
{
    mp_type_record record = {.index = (uint32_t)argument.index, .name = argument.name.UTF8String};
    switch (argument.type) {
    case MTLArgumentTypeThreadgroupMemory:
        record.binding = MP_ARGUMENT_THREADGROUP;
        record.writes = 1;
        record.size = argument.threadgroupMemoryDataSize;
        record.alignment = argument.threadgroupMemoryAlignment;
        hand(walk, &record);
        return;
    case MTLArgumentTypeTexture:
    case MTLArgumentTypeSampler:
        walk_handle(walk, record, argument);
        return;
    default:
        record.binding = MP_ARGUMENT_BUFFER;
        record.writes = argument.access != MTLArgumentAccessReadOnly;
        record.size = argument.bufferDataSize;
        record.alignment = argument.bufferAlignment;
        walk_type(walk, record, argument.bufferDataType, argument.bufferStructType,
                  argument.bufferPointerType.elementArrayType, nil, nil);
    }
}

void mtl_pipeline_arguments(mp_pipeline *pipeline, mp_type_callback each, void *context)
{
    if (mtl_forked)
        return;
    MTL_POOL
    {
        for (MTLArgument *argument in pipeline->reflection.arguments)
            walk_argument((struct walk){each, context}, argument);
    }
}
