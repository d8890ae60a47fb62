/* metalpy_format.h: reads the formats of messages. Compiled as C into the software device, which applies them, and as
 * C++ into programs, which are checked with it while they are compiled.
 *
 * A conversion is %[flags][width][.precision][vN][length]letter, as in C and, for vectors, as in OpenCL: N is 2, 3 or
 * 4, and hl is the length of a vector's 32-bit elements. Width and precision may be *. {...} behind the % is passed
 * over: os_log's annotations.
 */
#ifndef METALPY_FORMAT_H
#define METALPY_FORMAT_H

#ifdef __cplusplus
#define MP_FORMAT_FUNCTION constexpr inline
#else
#define MP_FORMAT_FUNCTION static inline
#endif

enum { /* mp_conversion.flags */
    MP_FORMAT_MINUS = 1,
    MP_FORMAT_PLUS = 2,
    MP_FORMAT_SPACE = 4,
    MP_FORMAT_ALTERNATE = 8,
    MP_FORMAT_ZERO = 16
};

enum { MP_FORMAT_STAR = -2, MP_FORMAT_NONE = -1, MP_FORMAT_WIDEST = 1000 };

typedef struct mp_conversion {
    const char *start;    /* its '%'; the end of the text where there is no further conversion */
    const char *end;
    int flags;
    int width;            /* at most MP_FORMAT_WIDEST, as precision; or one of the two names above */
    int precision;
    int lanes;            /* 1, or N of vN; another number if N is none of 2, 3, 4 */
    int bits;             /* by the length modifier: 8, 16, 32, 64; 0 without one */
    char letter;          /* 0 at the end of the text */
    char wants;           /* 'i' integer, 'f' floating point, 'p' pointer, 's' string; 0: no such conversion */
} mp_conversion;

MP_FORMAT_FUNCTION char mp_format_wants(char letter)
{
    switch (letter) {
    case 'd': case 'i': case 'u': case 'x': case 'X': case 'o': case 'c': return 'i';
    case 'f': case 'F': case 'e': case 'E': case 'g': case 'G': case 'a': case 'A': return 'f';
    case 'p': return 'p';
    case 's': return 's';
    default: return 0;
    }
}

MP_FORMAT_FUNCTION int mp_format_flag(char letter)
{
    return letter == '-' ? MP_FORMAT_MINUS : letter == '+' ? MP_FORMAT_PLUS : letter == ' ' ? MP_FORMAT_SPACE
           : letter == '#' ? MP_FORMAT_ALTERNATE : letter == '0' ? MP_FORMAT_ZERO : 0;
}

/* A number or * at *text; MP_FORMAT_NONE if there is neither. */
MP_FORMAT_FUNCTION int mp_format_number(const char **text)
{
    int number = MP_FORMAT_NONE;
    if (**text == '*') {
        ++*text;
        return MP_FORMAT_STAR;
    }
    for (; **text >= '0' && **text <= '9'; ++*text) {
        number = (number < 0 ? 0 : number) * 10 + (**text - '0');
        number = number < MP_FORMAT_WIDEST ? number : MP_FORMAT_WIDEST;
    }
    return number;
}

/* Bits by the length modifier at *text; 0 if there is none. */
MP_FORMAT_FUNCTION int mp_format_bits(const char **text)
{
    const char *t = *text;
    int bits = 0;
    if (t[0] == 'h' && t[1] == 'h') {
        bits = 8, t += 2;
    } else if (t[0] == 'h' && t[1] == 'l') {
        bits = 32, t += 2;
    } else if (t[0] == 'h') {
        bits = 16, t += 1;
    } else if (t[0] == 'l') {
        bits = 64, t += t[1] == 'l' ? 2 : 1;
    } else if (t[0] == 'j' || t[0] == 'z' || t[0] == 't' || t[0] == 'q' || t[0] == 'L') {
        bits = 64, t += 1;
    }
    *text = t;
    return bits;
}

/* The first conversion in `text`; %% is none. */
MP_FORMAT_FUNCTION mp_conversion mp_next_conversion(const char *text)
{
    mp_conversion found = {0, 0, 0, MP_FORMAT_NONE, MP_FORMAT_NONE, 1, 0, 0, 0};
    while (*text && !(text[0] == '%' && text[1] != '%'))
        text += text[0] == '%' ? 2 : 1;
    found.start = text;
    if (*text)
        ++text;
    if (*text == '{') {
        const char *close = text;
        while (*close && *close != '}')
            ++close;
        text = *close ? close + 1 : text;
    }
    for (; mp_format_flag(*text); ++text)
        found.flags |= mp_format_flag(*text);
    found.width = mp_format_number(&text);
    if (*text == '.') {
        ++text;
        found.precision = mp_format_number(&text);
        if (found.precision == MP_FORMAT_NONE)
            found.precision = 0;
    }
    if (*text == 'v') {
        ++text;
        found.lanes = mp_format_number(&text);
        if (found.lanes < 2 || found.lanes > 4)
            found.lanes = 0;
    }
    found.bits = mp_format_bits(&text);
    found.letter = *text;
    found.wants = mp_format_wants(*text);
    found.end = *text ? text + 1 : text;
    return found;
}

#endif /* METALPY_FORMAT_H */
