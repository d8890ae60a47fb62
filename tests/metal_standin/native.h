/* native.h: a compiler for test programs without Python. It knows one kernel, a shared object. */
#import "standin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define X                                                                                                            \
    "{\"name\": \"x\", \"index\": 0, \"type\": 0, \"access\": 1, \"alignment\": 4, \"dataSize\": 4,"                   \
    " \"constant\": false, \"reference\": false, \"optional\": false, \"dataType\": 3},"
#define Y                                                                                                            \
    "{\"name\": \"y\", \"index\": 1, \"type\": 0, \"access\": 0, \"alignment\": 16, \"dataSize\": 16,"                 \
    " \"constant\": true, \"reference\": true, \"optional\": false, \"dataType\": "
#define BINDINGS                                                                                                     \
    "1, \"struct\": {\"members\": [{\"name\": \"p\", \"offset\": 0, \"dataType\": 60},"                               \
    " {\"name\": \"t\", \"offset\": 8, \"dataType\": 58}]}}"
#define TEXTURE(name, index, access)                                                                                 \
    "{\"name\": \"" name "\", \"index\": " index ", \"type\": 2, \"access\": " access ", \"textureType\": 2,"          \
    " \"textureDataType\": 3, \"isDepth\": false, \"arrayLength\": 1, \"optional\": false}"
#define SAMPLER                                                                                                      \
    "{\"name\": \"s\", \"index\": 0, \"type\": 3, \"access\": 0, \"arrayLength\": 1, \"optional\": false}"

/* Any source has three kernels, all in $KERNEL, which look at no more than x and y:
 *     k(device float *x [[buffer(0)]], constant float4 &y [[buffer(1)]])
 *     t(device float *x, constant float4 &y, texture2d<float> r [[texture(0)]],
 *       texture2d<float, access::read_write> w [[texture(1)]], sampler s [[sampler(0)]])
 *     b(device float *x, constant struct { device float *p; texture2d<float> t; } &y) */
static void compile(const char *request, standin_answer answer, void *context)
{
    char text[2048];
    if (strstr(request, "\"source\"")) {
        answer(context, "{\"library\": 1, \"key\": \"k\", \"functions\": {\"k\": {\"constants\": []}, \"t\": {\"constants\": "
                        "[]}, \"b\": {\"constants\": []}}, \"warnings\": \"\"}");
        return;
    }
    snprintf(text, sizeof text, "{\"path\": \"%s\", \"arguments\": [" X Y "%s%s]}", getenv("KERNEL"),
             strstr(request, "\"b\"") ? BINDINGS : "6}",
             strstr(request, "\"t\"") ? "," TEXTURE("r", "0", "0") "," TEXTURE("w", "1", "1") "," SAMPLER : "");
    answer(context, text);
}
