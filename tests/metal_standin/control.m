/* control.m: what tests set and read, and what all files need. */
#import "standin.h"

#include <objc/thr.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

const mp_driver *standin_executor;
mp_device *standin_device;
static standin_compiler compiler;
static _Atomic int faults[FAULT_COUNT];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static NSHashTable *live;                /* under lock */
static NSCountedSet *live_classes;       /* under lock: names */
static NSCountedSet *counters;           /* under lock */

void metal_standin_set_executor(const mp_driver *driver)
{
    @autoreleasepool {
        mp_error error;
        /* gcc's runtime and GNUstep guard their own structures only once they know of a second thread. */
        objc_thread_add();
        [NSThread detachNewThreadSelector:@selector(class) toTarget:[NSObject class] withObject:nil];
        pthread_mutex_lock(&lock);
        if (!standin_executor) {
            live = NSCreateHashTable(NSNonOwnedPointerHashCallBacks, 64);
            live_classes = [[NSCountedSet alloc] init];
            counters = [[NSCountedSet alloc] init];
            if (driver->device_open(0, &standin_device, &error) != MP_OK) {
                fprintf(stderr, "the stand-in's executor has no device: %s\n", error.message);
                abort();
            }
            standin_executor = driver;
        }
        pthread_mutex_unlock(&lock);
    }
}

void metal_standin_set_compiler(standin_compiler new_compiler)
{
    compiler = new_compiler;
}

void metal_standin_inject(int fault, int value)
{
    atomic_store(&faults[fault], value);
}

int standin_fault(enum standin_fault fault)
{
    return atomic_load(&faults[fault]);
}

bool standin_take_fault(enum standin_fault fault)
{
    int left = atomic_load(&faults[fault]);
    while (left > 0 && !atomic_compare_exchange_weak(&faults[fault], &left, left - 1))
        ;
    return left > 0;
}

void standin_count(const char *name)
{
    pthread_mutex_lock(&lock);
    [counters addObject:[NSString stringWithUTF8String:name]];
    pthread_mutex_unlock(&lock);
}

int metal_standin_counter(const char *name)
{
    @autoreleasepool {
        pthread_mutex_lock(&lock);
        int count = (int)[counters countForObject:[NSString stringWithUTF8String:name]];
        pthread_mutex_unlock(&lock);
        return count;
    }
}

int metal_standin_live(const char *class_name)
{
    @autoreleasepool {
        pthread_mutex_lock(&lock);
        int count = class_name ? (int)[live_classes countForObject:[NSString stringWithUTF8String:class_name]]
                               : (int)NSCountHashTable(live);
        pthread_mutex_unlock(&lock);
        return count;
    }
}

void standin_misuse(const char *where, NSString *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    NSString *text = [[NSString alloc] initWithFormat:format arguments:arguments];
    va_end(arguments);
    fprintf(stderr, "-[%s]: failed assertion `%s'\n", where, text.UTF8String);
    fflush(stderr);
    abort();
}

bool standin_is_alive(id object)
{
    pthread_mutex_lock(&lock);
    bool known = NSHashGet(live, object) != NULL;
    pthread_mutex_unlock(&lock);
    return known;
}

double standin_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

NSError *standin_error(NSString *domain, NSInteger code, NSString *text)
{
    NSDictionary *facts = [NSDictionary dictionaryWithObject:text ? text : @"" forKey:NSLocalizedDescriptionKey];
    return [NSError errorWithDomain:domain code:code userInfo:facts];
}

static void take_answer(void *context, const char *json)
{
    NSData *data = [NSData dataWithBytes:json length:strlen(json)];
    *(NSDictionary **)context = [NSJSONSerialization JSONObjectWithData:data options:0 error:NULL];
}

NSDictionary *standin_ask(NSDictionary *request)
{
    NSDictionary *answer = nil;
    NSMutableData *json = [[[NSJSONSerialization dataWithJSONObject:request options:0 error:NULL] mutableCopy] autorelease];
    [json appendBytes:"" length:1];
    if (compiler)
        compiler([json bytes], take_answer, &answer);
    if (!answer)
        answer = [NSDictionary dictionaryWithObject:@"the stand-in has no compiler" forKey:@"error"];
    return answer;
}

@implementation StandinObject

- (instancetype)init
{
    if ((self = [super init])) {
        pthread_mutex_lock(&lock);
        NSHashInsert(live, self);
        [live_classes addObject:NSStringFromClass([self class])];
        pthread_mutex_unlock(&lock);
    }
    return self;
}

- (void)dealloc
{
    pthread_mutex_lock(&lock);
    NSHashRemove(live, self);
    [live_classes removeObject:NSStringFromClass([self class])];
    pthread_mutex_unlock(&lock);
    [_label release];
    [super dealloc];
}

- (NSString *)label
{
    return _label;
}

- (void)setLabel:(NSString *)label
{
    if (label != _label) {
        [_label release];
        _label = [label copy];
    }
}

- (BOOL)respondsToSelector:(SEL)selector
{
    NSString *name = NSStringFromSelector(selector);
    if (standin_fault(FAULT_MACOS_12) && ([name isEqual:@"gpuAddress"] || [name isEqual:@"gpuResourceID"]))
        return NO;
    return [super respondsToSelector:selector];
}

- (id<MTLDevice>)device
{
    return standin_shared_device();
}

@end
