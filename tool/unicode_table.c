/* Prints the classes of all characters as C, from utf8proc's categories and a table of newer characters. The build
 * runs it once (text/unicode.h has what it makes). Blocks of 256 characters that are alike share one copy; planes 4
 * to 13 are unassigned and are not visited. */
#include "text/unicode.h"
#include "tool/unicode_new.h"
#include <stdio.h>

enum { LAST_DENSE = 0x40000, TAGS_FROM = 0xE0000, TAGS_TO = 0xE1000, MOST_BLOCKS = 0x451 };

static bool is_space(uint32_t c) {
    return (c >= 9 && c <= 13) || c == ' ' || c == 0x85 || c == 0xA0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
           c == 0x205F || c == 0x3000;
}

/* Alphabetic characters that are neither letters, marks nor letter numbers: circled and squared
 * letters. */
static bool is_enclosed_letter(uint32_t c) {
    return (c >= 0x24B6 && c <= 0x24E9) || (c >= 0x1F130 && c <= 0x1F149) ||
           (c >= 0x1F150 && c <= 0x1F169) || (c >= 0x1F170 && c <= 0x1F189);
}

static uint32_t category_flags(utf8proc_category_t category) {
    switch (category) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LT:
        return UNICODE_LETTER | UNICODE_UPPER | UNICODE_WORD;
    case UTF8PROC_CATEGORY_LL:
        return UNICODE_LETTER | UNICODE_LOWER | UNICODE_WORD;
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
        return UNICODE_LETTER | UNICODE_WORD;
    case UTF8PROC_CATEGORY_MN:
        return UNICODE_MARK | UNICODE_WORD | UNICODE_NONSPACING;
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
        return UNICODE_MARK | UNICODE_WORD;
    case UTF8PROC_CATEGORY_ND:
        return UNICODE_NUMBER | UNICODE_DIGIT | UNICODE_WORD;
    case UTF8PROC_CATEGORY_NL:
        return UNICODE_NUMBER | UNICODE_WORD;
    case UTF8PROC_CATEGORY_NO:
        return UNICODE_NUMBER;
    case UTF8PROC_CATEGORY_PC:
        return UNICODE_PUNCTUATION | UNICODE_WORD;
    case UTF8PROC_CATEGORY_PD:
    case UTF8PROC_CATEGORY_PS:
    case UTF8PROC_CATEGORY_PE:
    case UTF8PROC_CATEGORY_PI:
    case UTF8PROC_CATEGORY_PF:
    case UTF8PROC_CATEGORY_PO:
        return UNICODE_PUNCTUATION;
    case UTF8PROC_CATEGORY_SM:
    case UTF8PROC_CATEGORY_SC:
    case UTF8PROC_CATEGORY_SK:
    case UTF8PROC_CATEGORY_SO:
        return UNICODE_SYMBOL;
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CO:
        return UNICODE_CONTROL;
    default:
        return 0;
    }
}

static utf8proc_category_t category_of(uint32_t c, const utf8proc_property_t *p) {
    int64_t low = 0, high = COUNT_OF(new_categories);
    if (p->category != UTF8PROC_CATEGORY_CN) return (utf8proc_category_t)p->category;
    while (low < high) {
        int64_t middle = (low + high) / 2;
        if (new_categories[middle].to < c)
            low = middle + 1;
        else
            high = middle;
    }
    bool is_new = low < COUNT_OF(new_categories) && new_categories[low].from <= c;
    return is_new ? new_categories[low].category : UTF8PROC_CATEGORY_CN;
}

static bool is_inert(uint32_t c, const utf8proc_property_t *p) {
    bool jamo = (c >= 0x1100 && c <= 0x11FF) || (c >= 0xAC00 && c <= 0xD7A3);
    bool joins = p->comb_index != UINT16_MAX && p->comb_index >= 0x8000;
    return !jamo && !joins && !p->combining_class && p->decomp_seqindex == UINT16_MAX;
}

static uint16_t flags_of(uint32_t c) {
    if (c < LAST_DENSE || (c >= TAGS_FROM && c < TAGS_TO)) {
        const utf8proc_property_t *p = utf8proc_get_property((utf8proc_int32_t)c);
        uint32_t flags = category_flags(category_of(c, p));
        if (is_space(c)) flags |= UNICODE_SPACE;
        if (is_enclosed_letter(c) || c == 0x200C || c == 0x200D) flags |= UNICODE_WORD;
        if (is_inert(c, p)) flags |= UNICODE_INERT;
        return (uint16_t)flags;
    }
    bool private_use = c >= 0xF0000 && (c & 0xFFFF) < 0xFFFE;
    return private_use ? UNICODE_CONTROL | UNICODE_INERT : UNICODE_INERT;
}

static void print_row(const char *open, const uint16_t *row, int64_t count) {
    printf("%s", open);
    for (int64_t i = 0; i < count; i++) printf("%s%u,", i % 32 ? "" : "\n", row[i]);
    printf("}");
}

int main(void) {
    static uint16_t flags[MOST_BLOCKS][256], block[COUNT_OF(unicode_block)];
    uint32_t count = 0;
    for (uint32_t b = 0; b < COUNT_OF(block); b++) {
        for (uint32_t i = 0; i < 256; i++) flags[count][i] = flags_of((b << 8) + i);
        uint32_t at = 0;
        while (memcmp(flags[at], flags[count], sizeof *flags) != 0) at++;
        count += at == count;
        block[b] = (uint16_t)at;
        if (count == MOST_BLOCKS) return 1;
    }
    printf("#include \"text/unicode.h\"\n");
    print_row("const uint16_t unicode_block[0x1100] = {", block, COUNT_OF(block));
    printf(";\nconst uint16_t unicode_table[][256] = {");
    for (uint32_t b = 0; b < count; b++) print_row(b ? ",\n{" : "{", flags[b], 256);
    printf("};\n");
    return fflush(stdout) != 0;
}
