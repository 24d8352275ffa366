/* Hand-written scanners for the pre-tokeniser patterns that are published with models. A scanner
 * says how far its pattern matches from a given place. Three families cover them:
 *
 *   words   GPT-2's pattern and all that grew from it (cl100k, Llama 3, Qwen 2, o200k, Tekken):
 *           contractions, letters with what may lead them, digits, the rest, white space. Every
 *           character begins some match.
 *   runs    one class, so many times, after at most one leading space
 *   marked  DeepSeek V3: like words, with punctuation leading Latin letters
 *
 * `scan_published` finds the scanner by the pattern's text, letter by letter as models write it. */
#ifndef TEXT_SCAN_H
#define TEXT_SCAN_H

#include "text/unicode.h"

typedef struct scan_rule scan_rule;

/* NULL when the pattern is not among the published ones. */
const scan_rule *scan_published(const char *pattern, int64_t length);

/* The pattern that is known by this name (gpt2, cl100k, llama3, qwen2, o200k, tekken), or NULL. */
const char *scan_pattern(const char *name);
#define SCAN_PATTERN_NAMES "gpt2, cl100k, llama3, qwen2, o200k, tekken"
/* Whether no match reaches from a newline to a character behind it that is no white space. */
bool scan_parts_lines(const scan_rule *rule);

/* The end of the match at `at`, or `at` where there is none. at < end. */
const char *scan_match(const scan_rule *rule, const char *at, const char *end);

#endif
