/* native.h: a compiler for test programs without Python. It knows one kernel, a shared object. */
#import "standin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUFFERS                                                                                                      \
    "{\"name\": \"x\", \"index\": 0, \"type\": 0, \"access\": 1, \"alignment\": 4, \"dataSize\": 4,"                   \
    " \"constant\": false, \"reference\": false, \"optional\": false, \"dataType\": 3},"                              \
    "{\"name\": \"y\", \"index\": 1, \"type\": 0, \"access\": 0, \"alignment\": 16, \"dataSize\": 16,"                 \
    " \"constant\": true, \"reference\": true, \"optional\": false, \"dataType\": 6}"
#define TEXTURE(name, index, access)                                                                                 \
    "{\"name\": \"" name "\", \"index\": " index ", \"type\": 2, \"access\": " access ", \"textureType\": 2,"          \
    " \"textureDataType\": 3, \"isDepth\": false, \"arrayLength\": 1, \"optional\": false}"
#define SAMPLER                                                                                                      \
    "{\"name\": \"s\", \"index\": 0, \"type\": 3, \"access\": 0, \"arrayLength\": 1, \"optional\": false}"

/* Any source has two kernels, both in $KERNEL, of which the second looks at its textures no more than the first:
 *     k(device float *x [[buffer(0)]], constant float4 &y [[buffer(1)]])
 *     t(device float *x, constant float4 &y, texture2d<float> r [[texture(0)]],
 *       texture2d<float, access::read_write> w [[texture(1)]], sampler s [[sampler(0)]]) */
static void compile(const char *request, standin_answer answer, void *context)
{
    char text[2048];
    if (strstr(request, "\"source\"")) {
        answer(context, "{\"library\": 1, \"key\": \"k\", \"functions\": {\"k\": {\"constants\": []}, \"t\": {\"constants\": "
                        "[]}}, \"warnings\": \"\"}");
        return;
    }
    snprintf(text, sizeof text, "{\"path\": \"%s\", \"arguments\": [" BUFFERS "%s]}", getenv("KERNEL"),
             strstr(request, "\"t\"") ? "," TEXTURE("r", "0", "0") "," TEXTURE("w", "1", "1") "," SAMPLER : "");
    answer(context, text);
}
