/* Foundation/Foundation.h of the stand-in: GNUstep's, with what macOS has and Debian's GNUstep has not. */
#ifndef STANDIN_FOUNDATION_H
#define STANDIN_FOUNDATION_H

#include_next <Foundation/Foundation.h>

typedef struct {
    NSInteger majorVersion;
    NSInteger minorVersion;
    NSInteger patchVersion;
} NSOperatingSystemVersion;

@interface NSProcessInfo (Standin)
- (NSOperatingSystemVersion)operatingSystemVersion;
@end

#endif
