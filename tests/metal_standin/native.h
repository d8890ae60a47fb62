/* native.h: a compiler for test programs without Python. It knows one kernel, a shared object. */
#import "standin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Any source is one kernel `k(device float *x [[buffer(0)]], constant float4 &y [[buffer(1)]])` in $KERNEL. */
static void compile(const char *request, standin_answer answer, void *context)
{
    char text[2048];
    if (strstr(request, "\"source\"")) {
        answer(context, "{\"library\": 1, \"key\": \"k\", \"functions\": {\"k\": {\"constants\": []}}, \"warnings\": \"\"}");
        return;
    }
    snprintf(text, sizeof text,
             "{\"path\": \"%s\", \"arguments\": ["
             "{\"name\": \"x\", \"index\": 0, \"type\": 0, \"access\": 1, \"alignment\": 4, \"dataSize\": 4,"
             " \"constant\": false, \"reference\": false, \"optional\": false, \"dataType\": 3},"
             "{\"name\": \"y\", \"index\": 1, \"type\": 0, \"access\": 0, \"alignment\": 16, \"dataSize\": 16,"
             " \"constant\": true, \"reference\": true, \"optional\": false, \"dataType\": 6}]}",
             getenv("KERNEL"));
    answer(context, text);
}
