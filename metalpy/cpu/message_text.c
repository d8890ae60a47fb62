/* message_text.c: applies the format of a message to its values. The types of the values are known, so nothing that a
 * format asks for can go wrong; where the two do not fit, the text says so: %!d(1.5), %!d(missing), %!(extra 3). */
#include "message.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 65536         /* bytes of one message */

/* ---- text that grows ---- */

static void append(struct sw_text *text, const char *bytes, size_t size)
{
    if (size > TEXT_MAX - text->used)
        size = TEXT_MAX - text->used;
    if (text->used + size + 1 > text->size) {
        size_t wanted = 2 * (text->used + size + 1);
        char *grown = realloc(text->bytes, wanted);
        if (!grown)
            return;
        text->bytes = grown;
        text->size = wanted;
    }
    memcpy(text->bytes + text->used, bytes, size);
    text->used += size;
    text->bytes[text->used] = 0;
}

static void append_text(struct sw_text *text, const char *string)
{
    append(text, string, strlen(string));
}

/* What stands between conversions: %% is a percent sign. */
static void append_literal(struct sw_text *text, const char *from, const char *to)
{
    while (from < to) {
        const char *percent = memchr(from, '%', (size_t)(to - from));
        const char *end = percent ? percent + 1 : to;
        append(text, from, (size_t)(end - from));
        from = percent ? percent + 2 : to;
    }
}

/* ---- values ---- */

struct values {
    const struct sw_value *next;
    uint32_t left;
};

static const void *payload(const struct sw_value *value)
{
    return value + 1;
}

static const struct sw_value *take(struct values *values)
{
    if (!values->left)
        return NULL;
    const struct sw_value *value = values->next;
    size_t size = value->lanes ? value->lanes * sizeof(uint64_t) : (strlen(payload(value)) + 8) / 8 * 8;
    values->next = (const struct sw_value *)((const char *)payload(value) + size);
    values->left--;
    return value;
}

static uint64_t bits_of(const struct sw_value *value, uint32_t lane)
{
    return ((const uint64_t *)payload(value))[lane];
}

static double number_of(const struct sw_value *value, uint32_t lane)
{
    uint32_t bits = (uint32_t)bits_of(value, lane);
    float number;
    memcpy(&number, &bits, sizeof number);
    return number;
}

static bool is_integer(const struct sw_value *value)
{
    return value->kind == MP_VALUE_SIGNED || value->kind == MP_VALUE_UNSIGNED;
}

static bool fits(const mp_conversion *wanted, const struct sw_value *value)
{
    switch (wanted->wants) {
    case 'i': return is_integer(value) && (int)value->lanes == wanted->lanes;
    case 'f': return value->kind == MP_VALUE_FLOAT && (int)value->lanes == wanted->lanes;
    case 'p': return value->kind == MP_VALUE_POINTER && wanted->lanes == 1;
    case 's': return value->kind == MP_VALUE_STRING && wanted->lanes == 1;
    default: return false;
    }
}

/* ---- conversions ---- */

struct layout {                /* flags, width and precision as printf takes them */
    char flags[8];
    int width;
    int precision;             /* negative: none */
};

static struct layout layout_of(const mp_conversion *wanted, int width, int precision)
{
    struct layout layout = {.width = width, .precision = precision};
    char *to = layout.flags;
    int flags = wanted->flags;
    if (width < 0 && width != MP_FORMAT_NONE) { /* of a *: from the left */
        flags |= MP_FORMAT_MINUS;
        layout.width = -width;
    }
    static const struct { int flag; char letter; } letters[] = {
        {MP_FORMAT_MINUS, '-'}, {MP_FORMAT_PLUS, '+'}, {MP_FORMAT_SPACE, ' '}, {MP_FORMAT_ALTERNATE, '#'},
        {MP_FORMAT_ZERO, '0'}};
    for (size_t i = 0; i < sizeof letters / sizeof *letters; i++)
        if (flags & letters[i].flag)
            *to++ = letters[i].letter;
    *to = 0;
    if (layout.width < 0)
        layout.width = 0;
    return layout;
}

/* An integer with the bits that the conversion takes: by its length modifier, else as promoted (of vectors: as it is). */
static uint64_t integer_of(const mp_conversion *wanted, const struct sw_value *value, uint32_t lane)
{
    int own = 8 * value->size, bits = wanted->bits;
    if (!bits)
        bits = wanted->lanes == 1 && own < 32 ? 32 : own;
    uint64_t number = bits_of(value, lane);
    if (bits >= 64)
        return number;
    number &= (UINT64_C(1) << bits) - 1;
    bool negative = number >> (bits - 1);
    bool is_signed = wanted->letter == 'd' || wanted->letter == 'i';
    return is_signed && negative ? number | ~((UINT64_C(1) << bits) - 1) : number;
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static void append_number(struct sw_text *text, const mp_conversion *wanted, const struct layout *layout,
                          const struct sw_value *value, uint32_t lane)
{
    char format[24], out[3 * MP_FORMAT_WIDEST];
    const char *length = wanted->wants == 'i' ? "ll" : "";
    snprintf(format, sizeof format, "%%%s*.*%s%c", layout->flags, length, wanted->letter);
    int size = wanted->wants == 'i'
                   ? snprintf(out, sizeof out, format, layout->width, layout->precision,
                              (unsigned long long)integer_of(wanted, value, lane))
                   : snprintf(out, sizeof out, format, layout->width, layout->precision, number_of(value, lane));
    if (size > 0)
        append(text, out, (size_t)size < sizeof out ? (size_t)size : sizeof out - 1);
}

static void append_string(struct sw_text *text, const struct layout *layout, const char *string, int precision)
{
    char format[16], out[3 * MP_FORMAT_WIDEST];
    snprintf(format, sizeof format, "%%%s*.*s", strchr(layout->flags, '-') ? "-" : "");
    int size = snprintf(out, sizeof out, format, layout->width, precision, string);
    if (size > 0)
        append(text, out, (size_t)size < sizeof out ? (size_t)size : sizeof out - 1);
}
#pragma GCC diagnostic pop

static void append_lane(struct sw_text *text, const mp_conversion *wanted, const struct layout *layout,
                        const struct sw_value *value, uint32_t lane)
{
    char small[24];
    if (wanted->letter == 'c') {
        small[0] = (char)bits_of(value, lane);
        small[1] = 0; /* the character NUL cannot be in a text */
        append_string(text, layout, small, -1);
    } else if (wanted->letter == 'p') {
        snprintf(small, sizeof small, "0x%llx", (unsigned long long)bits_of(value, lane));
        append_string(text, layout, small, -1);
    } else {
        append_number(text, wanted, layout, value, lane);
    }
}

static void append_plainly(struct sw_text *text, const struct sw_value *value)
{
    char out[64];
    if (value->kind == MP_VALUE_STRING) {
        append_text(text, payload(value));
        return;
    }
    for (uint32_t lane = 0; lane < value->lanes; lane++) {
        unsigned long long bits = bits_of(value, lane);
        if (value->kind == MP_VALUE_FLOAT)
            snprintf(out, sizeof out, "%s%g", lane ? "," : "", number_of(value, lane));
        else
            snprintf(out, sizeof out, value->kind == MP_VALUE_SIGNED ? "%s%lld" : value->kind == MP_VALUE_UNSIGNED ? "%s%llu"
                     : "%s0x%llx", lane ? "," : "", bits);
        append_text(text, out);
    }
}

/* %!d(1.5) */
static void append_mismatch(struct sw_text *text, const char *letter, const struct sw_value *value)
{
    append_text(text, "%!");
    append(text, letter, letter && *letter ? 1 : 0);
    append_text(text, *letter || value ? "(" : "(nothing to convert");
    if (value)
        append_plainly(text, value);
    else if (*letter)
        append_text(text, "missing");
    append_text(text, ")");
}

/* The value of a *; `none` if it is none. */
static int starred(struct values *values, int given, int none)
{
    if (given != MP_FORMAT_STAR)
        return given;
    const struct sw_value *value = take(values);
    if (!value || !is_integer(value) || value->lanes != 1)
        return none;
    int64_t number = (int64_t)bits_of(value, 0);
    if (number < -MP_FORMAT_WIDEST)
        number = -MP_FORMAT_WIDEST;
    return number > MP_FORMAT_WIDEST ? MP_FORMAT_WIDEST : (int)number;
}

static void convert(struct sw_text *text, const mp_conversion *wanted, struct values *values)
{
    /* -1 means none, and happens to be what a width of -1, from the left, looks like: no harm. */
    int width = starred(values, wanted->width, MP_FORMAT_NONE);
    int precision = starred(values, wanted->precision, MP_FORMAT_NONE);
    const struct sw_value *value = take(values);
    if (!value || !fits(wanted, value)) {
        append_mismatch(text, (char[]){wanted->letter, 0}, value);
        return;
    }
    struct layout layout = layout_of(wanted, width, precision);
    if (wanted->wants == 's') {
        append_string(text, &layout, payload(value), precision);
        return;
    }
    for (uint32_t lane = 0; lane < value->lanes; lane++) {
        if (lane)
            append_text(text, ",");
        append_lane(text, wanted, &layout, value, lane);
    }
}

const char *sw_message_text(struct sw_text *text, const struct sw_record *record, const char *format)
{
    const char *end = format + strlen(format) + 1;
    struct values values = {(const struct sw_value *)(((uintptr_t)end + 7) & ~(uintptr_t)7), record->values};
    text->used = 0;
    append(text, "", 0);
    for (;;) {
        mp_conversion wanted = mp_next_conversion(format);
        append_literal(text, format, wanted.start);
        if (wanted.start == wanted.end)
            break;
        convert(text, &wanted, &values);
        format = wanted.end;
    }
    for (const struct sw_value *extra; (extra = take(&values));) {
        append_text(text, "%!(extra ");
        append_plainly(text, extra);
        append_text(text, ")");
    }
    return text->bytes ? text->bytes : "";
}
