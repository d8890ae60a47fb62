/* library.m: code for the GPU, and pipelines made of it. */
#import "metal_driver.h"

#import "later.h"

#include <dispatch/dispatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- what the compiler said, for each thread ---- */

static pthread_key_t log_key;
static pthread_once_t log_once = PTHREAD_ONCE_INIT;

static void make_log_key(void)
{
    pthread_key_create(&log_key, free);
}

static void keep_log(NSError *reason)
{
    pthread_once(&log_once, make_log_key);
    free(pthread_getspecific(log_key));
    const char *text = reason.localizedDescription.UTF8String;
    pthread_setspecific(log_key, text ? strdup(text) : NULL);
}

const char *mtl_library_compile_log(void)
{
    pthread_once(&log_once, make_log_key);
    const char *log = pthread_getspecific(log_key);
    return log ? log : "";
}

/* ---- libraries ---- */

/* "MTLLanguageVersion": the newest that the running system has, whatever SDK this was built with. */
static MTLLanguageVersion newest_language(void)
{
    static const struct {
        int macos, major, minor;
    } known[] = {{26, 4, 0}, {15, 3, 2}, {14, 3, 1}, {13, 3, 0}};
    for (unsigned i = 0; i < sizeof known / sizeof *known; i++) {
        if (mtl_os_at_least(known[i].macos, 0))
            return (MTLLanguageVersion)(known[i].major << 16 | known[i].minor);
    }
    return MTLLanguageVersion2_4;
}

MTLCompileOptions *mtl_compile_options(const mp_library_desc *desc)
{
    MTLCompileOptions *options = [[[MTLCompileOptions alloc] init] autorelease];
    options.languageVersion = desc->language_version ? (MTLLanguageVersion)desc->language_version : newest_language();
    if ([options respondsToSelector:@selector(setMathMode:)]) {
        id<MtlLaterCompileOptions> later = (id<MtlLaterCompileOptions>)options;
        [later setMathMode:desc->math_mode == MP_MATH_FAST      ? MTL_MATH_MODE_FAST
                           : desc->math_mode == MP_MATH_RELAXED ? MTL_MATH_MODE_RELAXED
                                                                : MTL_MATH_MODE_SAFE];
        [later setMathFloatingPointFunctions:desc->math_mode == MP_MATH_FAST ? MTL_MATH_FUNCTIONS_FAST
                                                                             : MTL_MATH_FUNCTIONS_PRECISE];
    } else {
        options.fastMathEnabled = desc->math_mode != MP_MATH_SAFE;
    }
    if ([options respondsToSelector:@selector(setEnableLogging:)])
        [(id<MtlLaterCompileOptions>)options setEnableLogging:YES];
    if (desc->macro_count) {
        NSMutableDictionary *macros = [NSMutableDictionary dictionaryWithCapacity:desc->macro_count];
        for (uint32_t i = 0; i < desc->macro_count; i++) {
            NSString *value = [NSString stringWithUTF8String:desc->macros[i].value];
            [macros setObject:value forKey:[NSString stringWithUTF8String:desc->macros[i].name]];
        }
        options.preprocessorMacros = macros;
    }
    return options;
}

static NSURL *file_url(const char *path)
{
    return [NSURL fileURLWithPath:[NSString stringWithUTF8String:path]];
}

/* Owned by the caller; nil with `*reason`. */
static id<MTLLibrary> load(mp_device *device, const mp_library_desc *desc, NSError **reason)
{
    if (desc->kind == MP_LIBRARY_METALLIB_FILE)
        return [device->device newLibraryWithURL:file_url(desc->data) error:reason];
    if (desc->kind == MP_LIBRARY_METALLIB) {
        dispatch_data_t data = dispatch_data_create(desc->data, desc->size, NULL, DISPATCH_DATA_DESTRUCTOR_DEFAULT);
        id<MTLLibrary> library = [device->device newLibraryWithData:data error:reason];
        dispatch_release(data);
        return library;
    }
    NSString *source = [[[NSString alloc] initWithBytes:desc->data
                                                 length:desc->size
                                               encoding:NSUTF8StringEncoding] autorelease];
    if (!source)
        return nil;
    return [device->device newLibraryWithSource:source options:mtl_compile_options(desc) error:reason];
}

mp_status mtl_library_create(mp_device *device, const mp_library_desc *desc, mp_library **library, mp_error *error)
{
    MTL_ENTER(error)
    keep_log(nil);
    if (desc->kind != MP_LIBRARY_SOURCE && desc->kind != MP_LIBRARY_METALLIB &&
        desc->kind != MP_LIBRARY_METALLIB_FILE)
        return mtl_fail(error, MP_ERROR_UNSUPPORTED, "an Apple GPU runs Metal source and .metallib files, not kind %u",
                        desc->kind);
    if (!desc->data)
        return mtl_fail(error, MP_ERROR_INVALID, "a library needs source, bytes or a path");
    if (desc->kind == MP_LIBRARY_METALLIB_FILE && access(desc->data, R_OK) != 0)
        return mtl_fail(error, MP_ERROR_NOT_FOUND, "cannot read '%.400s'", desc->data);
    mp_library *made = calloc(1, sizeof *made);
    if (!made)
        return mtl_fail(error, MP_ERROR_MEMORY, "no memory for a library object");
    NSError *reason = nil;
    made->library = load(device, desc, &reason);
    keep_log(reason); /* "MTLLibraryErrorCompileWarning": there may be both a library and something to say */
    if (!made->library) {
        free(made);
        if (!reason)
            return mtl_fail(error, MP_ERROR_INVALID, "Metal source must be UTF-8");
        return mtl_fail_with(error, MP_ERROR_LIBRARY, reason, "Metal refuses the library");
    }
    atomic_init(&made->references, 1);
    mtl_device_retain(device);
    made->device = device;
    mtl_count(1);
    *library = made;
    return MP_OK;
    MTL_LEAVE(error)
}

void mtl_library_release(mp_library *library)
{
    if (!library || mtl_forked || !mtl_drop(&library->references))
        return;
    MTL_POOL { [library->library release]; }
    mtl_device_release(library->device);
    free(library);
    mtl_count(-1);
}

void mtl_library_names(mp_library *library, mp_name_callback each, void *context)
{
    if (mtl_forked)
        return;
    MTL_POOL
    {
        for (NSString *name in library->library.functionNames) {
            /* A library may hold graphics functions, too. */
            id<MTLFunction> function = [[library->library newFunctionWithName:name] autorelease];
            if (!function || function.functionType == MTLFunctionTypeKernel)
                each(context, name.UTF8String);
        }
    }
}

void mtl_library_constants(mp_library *library, const char *name, mp_constant_callback each, void *context)
{
    if (mtl_forked)
        return;
    MTL_POOL
    {
        NSString *key = [NSString stringWithUTF8String:name];
        id<MTLFunction> function = [[library->library newFunctionWithName:key] autorelease];
        NSDictionary<NSString *, MTLFunctionConstant *> *constants = function.functionConstantsDictionary;
        for (NSString *constant in constants) {
            MTLFunctionConstant *found = [constants objectForKey:constant];
            mp_constant_record record = {.index = (uint32_t)found.index,
                                         .required = found.required,
                                         .name = constant.UTF8String};
            record.scalar = mtl_scalar_of(found.type, &record.count);
            each(context, &record);
        }
    }
}

/* ---- pipelines ---- */

static const mp_constant *given(const mp_pipeline_desc *desc, NSUInteger index)
{
    for (uint32_t i = 0; i < desc->constant_count; i++) {
        if (desc->constants[i].index == index)
            return &desc->constants[i];
    }
    return NULL;
}

/* The function with its constants, owned by the caller. */
static mp_status specialize(mp_library *library, const mp_pipeline_desc *desc, id<MTLFunction> *function,
                            mp_error *error)
{
    NSString *name = [NSString stringWithUTF8String:desc->name];
    id<MTLFunction> plain = [library->library newFunctionWithName:name];
    if (!plain || plain.functionType != MTLFunctionTypeKernel) {
        [plain release];
        return mtl_fail(error, MP_ERROR_NOT_FOUND, "the library has no kernel '%.300s'", desc->name);
    }
    NSDictionary<NSString *, MTLFunctionConstant *> *constants = plain.functionConstantsDictionary;
    if (constants.count == 0) {
        *function = plain;
        return MP_OK;
    }
    [plain autorelease];
    MTLFunctionConstantValues *values = [[[MTLFunctionConstantValues alloc] init] autorelease];
    for (NSString *key in constants) {
        MTLFunctionConstant *constant = [constants objectForKey:key];
        const mp_constant *value = given(desc, constant.index);
        if (value)
            [values setConstantValue:value->value
                                type:mtl_type_of(value->scalar, value->count)
                             atIndex:constant.index];
        else if (constant.required)
            return mtl_fail(error, MP_ERROR_INVALID,
                            "kernel '%.200s' needs a value for function constant '%.100s', function_constant(%lu)",
                            desc->name, key.UTF8String, (unsigned long)constant.index);
    }
    NSError *reason = nil;
    *function = [library->library newFunctionWithName:name constantValues:values error:&reason];
    if (!*function)
        return mtl_fail_with(error, MP_ERROR_LIBRARY, reason, "Metal cannot specialise the kernel");
    return MP_OK;
}

/* nil if there is none yet, or one that this GPU and system cannot read. */
static id<MTLBinaryArchive> open_archive(mp_device *device, const char *path)
{
    if (!path || access(path, R_OK) != 0)
        return nil;
    MTLBinaryArchiveDescriptor *descriptor = [[[MTLBinaryArchiveDescriptor alloc] init] autorelease];
    descriptor.url = file_url(path);
    return [[device->device newBinaryArchiveWithDescriptor:descriptor error:NULL] autorelease];
}

/* An archive is a cache: without it the next process compiles again, so failures are passed over. */
static void write_archive(mp_device *device, const char *path, MTLComputePipelineDescriptor *pipeline)
{
    MTLBinaryArchiveDescriptor *descriptor = [[[MTLBinaryArchiveDescriptor alloc] init] autorelease];
    id<MTLBinaryArchive> archive = [[device->device newBinaryArchiveWithDescriptor:descriptor error:NULL] autorelease];
    if (![archive addComputePipelineFunctionsWithDescriptor:pipeline error:NULL])
        return;
    char *partial = NULL;
    if (asprintf(&partial, "%s.%d.%p", path, (int)getpid(), (void *)pipeline) < 0)
        return;
    /* Another process reads the old archive or the new one, never a part. */
    if (![archive serializeToURL:file_url(partial) error:NULL] || rename(partial, path) != 0)
        unlink(partial);
    free(partial);
}

static id<MTLComputePipelineState> compile(mp_device *device, const mp_pipeline_desc *desc, id<MTLFunction> function,
                                           MTLComputePipelineReflection **reflection, NSError **reason)
{
    MTLComputePipelineDescriptor *pipeline = [[[MTLComputePipelineDescriptor alloc] init] autorelease];
    pipeline.computeFunction = function;
    pipeline.label = [NSString stringWithUTF8String:desc->name];
    id<MTLBinaryArchive> archive = open_archive(device, desc->archive);
    if (archive)
        pipeline.binaryArchives = [NSArray arrayWithObject:archive];
    MTLPipelineOption options = MTLPipelineOptionArgumentInfo | MTLPipelineOptionBufferTypeInfo;
    id<MTLComputePipelineState> state = [device->device newComputePipelineStateWithDescriptor:pipeline
                                                                                       options:options
                                                                                    reflection:reflection
                                                                                         error:reason];
    if (state && desc->archive && !archive)
        write_archive(device, desc->archive, pipeline);
    return state;
}

/* Tables of functions and the like cannot be passed through the ABI. Fills in which textures are read and written. */
static mp_status check_arguments(MTLComputePipelineReflection *reflection, const char *name, mp_pipeline *pipeline,
                                 mp_error *error)
{
    for (MTLArgument *argument in reflection.arguments) {
        if (argument.type > MTLArgumentTypeSampler)
            return mtl_fail(error, MP_ERROR_UNSUPPORTED,
                            "kernel '%.200s' takes '%.100s', which is no buffer, threadgroup memory, texture or sampler",
                            name, argument.name.UTF8String);
        if (argument.type != MTLArgumentTypeTexture || argument.access != MTLArgumentAccessReadWrite)
            continue;
        NSUInteger end = argument.index + (argument.arrayLength ? argument.arrayLength : 1);
        for (NSUInteger i = argument.index; i < end && i < MP_MAX_TEXTURES; i++)
            pipeline->read_write[i / 64] |= UINT64_C(1) << i % 64;
    }
    return MP_OK;
}

mp_status mtl_pipeline_create(mp_library *library, const mp_pipeline_desc *desc, mp_pipeline **pipeline,
                              mp_error *error)
{
    MTL_ENTER(error)
    if (!desc->name || !*desc->name)
        return mtl_fail(error, MP_ERROR_INVALID, "a pipeline needs the name of its kernel");
    id<MTLFunction> function = nil;
    mp_status status = specialize(library, desc, &function, error);
    if (status)
        return status;
    [function autorelease];
    mp_pipeline *made = calloc(1, sizeof *made);
    if (!made)
        return mtl_fail(error, MP_ERROR_MEMORY, "no memory for a pipeline object");
    NSError *reason = nil;
    MTLComputePipelineReflection *reflection = nil;
    made->state = compile(library->device, desc, function, &reflection, &reason);
    if (!made->state) {
        free(made);
        return mtl_fail_with(error, MP_ERROR_LIBRARY, reason, "Metal cannot make a pipeline of the kernel");
    }
    status = check_arguments(reflection, desc->name, made, error);
    if (status) {
        [made->state release];
        free(made);
        return status;
    }
    made->reflection = [reflection retain];
    made->limits = (mp_pipeline_limits){
        .max_total_threads_per_threadgroup = (uint32_t)made->state.maxTotalThreadsPerThreadgroup,
        .thread_execution_width = (uint32_t)made->state.threadExecutionWidth,
        .static_threadgroup_memory = (uint32_t)made->state.staticThreadgroupMemoryLength,
        /* Metal does not tell which kernels have messages. */
        .flags = MP_PIPELINE_GPU | (mtl_logs_exist() ? MP_PIPELINE_MESSAGES : 0),
    };
    strncpy(made->name, desc->name, sizeof made->name - 1);
    atomic_init(&made->references, 1);
    mtl_retain(&library->references);
    made->library = library;
    mtl_count(1);
    *pipeline = made;
    return MP_OK;
    MTL_LEAVE(error)
}

void mtl_pipeline_release(mp_pipeline *pipeline)
{
    if (!pipeline || mtl_forked || !mtl_drop(&pipeline->references))
        return;
    MTL_POOL
    {
        [pipeline->reflection release];
        [pipeline->state release];
    }
    mtl_library_release(pipeline->library);
    free(pipeline);
    mtl_count(-1);
}

void mtl_pipeline_limits(mp_pipeline *pipeline, mp_pipeline_limits *limits)
{
    *limits = pipeline->limits;
}
