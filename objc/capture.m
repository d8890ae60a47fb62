/* capture.m: .gputrace documents of what the GPU does. */
#import "metal_driver.h"

static MTLCaptureManager *manager(void)
{
    return [MTLCaptureManager sharedCaptureManager];
}

mp_status mtl_device_start_capture(mp_device *device, const char *path, mp_error *error)
{
    MTL_ENTER(error)
    if (!path || !*path)
        return mtl_fail(error, MP_ERROR_INVALID, "a capture needs the path of a .gputrace document");
    /* "Capturing a Metal workload programmatically": without MTL_CAPTURE_ENABLED=1, set before the process starts, or
     * a key in the application's Info.plist, Metal writes none. */
    if (![manager() supportsDestination:MTLCaptureDestinationGPUTraceDocument])
        return mtl_fail(error, MP_ERROR_UNSUPPORTED,
                        "this process may not write captures; start it with MTL_CAPTURE_ENABLED=1 in the environment");
    if (manager().isCapturing)
        return mtl_fail(error, MP_ERROR_INVALID, "a capture is running already; stop it first");
    MTLCaptureDescriptor *descriptor = [[[MTLCaptureDescriptor alloc] init] autorelease];
    descriptor.captureObject = device->device;
    descriptor.destination = MTLCaptureDestinationGPUTraceDocument;
    descriptor.outputURL = [NSURL fileURLWithPath:[NSString stringWithUTF8String:path]];
    NSError *reason = nil;
    if (![manager() startCaptureWithDescriptor:descriptor error:&reason])
        return mtl_fail_with(error, MP_ERROR_UNSUPPORTED, reason, "Metal does not start the capture");
    return MP_OK;
    MTL_LEAVE(error)
}

void mtl_device_stop_capture(mp_device *device)
{
    (void)device;
    if (mtl_forked)
        return;
    MTL_POOL
    {
        if (manager().isCapturing)
            [manager() stopCapture];
    }
}

uint32_t mtl_device_capture_state(mp_device *device)
{
    (void)device;
    if (mtl_forked)
        return 0;
    MTL_POOL
    {
        uint32_t state = 0;
        if ([manager() supportsDestination:MTLCaptureDestinationGPUTraceDocument])
            state |= MP_CAPTURE_ENABLED;
        if (manager().isCapturing)
            state |= MP_CAPTURE_RUNNING;
        return state;
    }
}
