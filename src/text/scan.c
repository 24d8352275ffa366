/* Alternatives are tried in the pattern's order; each of them is greedy and, except at white space,
 * can be decided without going back. */
#include "text/scan.h"

typedef enum family { WORDS, RUN, MARKED } family;
typedef enum contraction { NO_CONTRACTION, LOWER_CONTRACTION, FOLDED_CONTRACTION } contraction;
typedef struct range {
    uint32_t from, to;
} range;

struct scan_rule {
    const char *pattern[4]; /* ways in which it is written */
    family family;
    contraction contraction; /* 's 't 're 've 'm 'll 'd */
    bool cased;              /* letters are upper* lower+ | upper+ lower*, a contraction behind */
    bool any_lead;           /* [^\r\n\p{L}\p{N}]? leads letters; otherwise a space */
    bool spaced_digits;      /* a space may lead digits */
    int32_t digits;          /* most digits together, 0: any number */
    uint32_t letters;        /* classes that make a word */
    const char *tail;        /* characters that may follow the rest */
    bool newlines;           /* \s*[\r\n]+ */
    /* RUN: */
    bool lead; /* \s? */
    uint32_t classes;
    range ranges[12];
    int32_t least, most; /* 0: any number */
};

#define L UNICODE_LETTER
#define N UNICODE_NUMBER
#define M UNICODE_MARK

#define CONTRACTIONS "'s|'t|'re|'ve|'m|'ll|'d"
#define EITHER_CASE "'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]"
#define REST_OF_GPT2 "| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)"
#define REST_OF_CL100K "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define LETTERS_OF_CL100K "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|"
#define LEAD "[^\\r\\n\\p{L}\\p{N}]?"
#define UPPERS "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWERS "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define REST_OF_O200K "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

static const scan_rule rules[] = {
    {.pattern = {CONTRACTIONS REST_OF_GPT2 "|\\s+", CONTRACTIONS REST_OF_GPT2,
                 "'(?:[sdmt]|ll|ve|re)" REST_OF_GPT2 "|\\s+"},
     .contraction = LOWER_CONTRACTION,
     .spaced_digits = true,
     .letters = L},
    {.pattern = {"(?i:" CONTRACTIONS ")" LETTERS_OF_CL100K "\\p{N}{1,3}" REST_OF_CL100K,
                 "(?:" EITHER_CASE ")" LETTERS_OF_CL100K "\\p{N}{1,3}" REST_OF_CL100K,
                 "'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+|\\p{N}{1,3}"
                 "| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+"},
     .contraction = FOLDED_CONTRACTION,
     .any_lead = true,
     .digits = 3,
     .letters = L,
     .tail = "\r\n",
     .newlines = true},
    {.pattern = {"(?i:" CONTRACTIONS ")" LETTERS_OF_CL100K "\\p{N}" REST_OF_CL100K,
                 "(?:" EITHER_CASE ")" LETTERS_OF_CL100K "\\p{N}" REST_OF_CL100K},
     .contraction = FOLDED_CONTRACTION,
     .any_lead = true,
     .digits = 1,
     .letters = L,
     .tail = "\r\n",
     .newlines = true},
    {.pattern = {LEAD UPPERS "*" LOWERS "+(?i:" CONTRACTIONS ")?|" LEAD UPPERS "+" LOWERS
                             "*(?i:" CONTRACTIONS ")?|\\p{N}{1,3}" REST_OF_O200K},
     .contraction = FOLDED_CONTRACTION,
     .cased = true,
     .any_lead = true,
     .digits = 3,
     .letters = L,
     .tail = "\r\n/",
     .newlines = true},
    {.pattern = {LEAD UPPERS "*" LOWERS "+|" LEAD UPPERS "+" LOWERS "*|\\p{N}" REST_OF_O200K},
     .cased = true,
     .any_lead = true,
     .digits = 1,
     .letters = L,
     .tail = "\r\n/",
     .newlines = true},
    {.pattern = {"[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+"
                 "|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*"
                 "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"},
     .family = MARKED},
    {.pattern = {"\\p{N}"}, .family = RUN, .classes = N, .most = 1},
    {.pattern = {"\\p{N}{1,3}"}, .family = RUN, .classes = N, .most = 3},
    {.pattern = {"\\p{N}+"}, .family = RUN, .classes = N},
    {.pattern = {"[\\r\\n]"}, .family = RUN, .ranges = {{'\r', '\r'}, {'\n', '\n'}}, .most = 1},
    {.pattern = {"[0-9][0-9][0-9]"}, .family = RUN, .ranges = {{'0', '9'}}, .least = 3, .most = 3},
    {.pattern = {"\\s?\\p{L}+"}, .family = RUN, .lead = true, .classes = L},
    {.pattern = {"\\s?\\p{P}+"}, .family = RUN, .lead = true, .classes = UNICODE_PUNCTUATION},
    {.pattern = {"[\\p{P}\\$\\+<=>\\^~\\|]+", "[\\p{P}\\$\\+<=>\\^~\\|`]+"},
     .family = RUN,
     .classes = UNICODE_PUNCTUATION,
     .ranges =
         {{'$', '$'}, {'+', '+'}, {'<', '>'}, {'^', '^'}, {'~', '~'}, {'|', '|'}, {'`', '`'}}},
    {.pattern = {"[一-龥ࠀ-一가-퟿]+"},
     .family = RUN,
     .ranges = {{0x4E00, 0x9FA5}, {0x800, 0x4E00}, {0xAC00, 0xD7FF}}},
    {.pattern = {"[一-龥\u3040-ゟ゠-ヿ]+"},
     .family = RUN,
     .ranges = {{0x4E00, 0x9FA5}, {0x3040, 0x309F}, {0x30A0, 0x30FF}}},
};

const scan_rule *scan_published(const char *pattern, int64_t length) {
    for (int64_t i = 0; i < COUNT_OF(rules); i++)
        for (int k = 0; k < 4 && rules[i].pattern[k]; k++)
            if ((int64_t)strlen(rules[i].pattern[k]) == length &&
                !memcmp(rules[i].pattern[k], pattern, (size_t)length))
                return rules + i;
    return NULL;
}

const char *scan_pattern(const char *name) {
    static const struct {
        const char *name;
        int rule;
    } names[] = {{"gpt2", 0},  {"cl100k", 1}, {"llama3", 1},
                 {"qwen2", 2}, {"o200k", 3},  {"tekken", 4}};
    for (int64_t i = 0; i < COUNT_OF(names); i++)
        if (!strcmp(names[i].name, name)) return rules[names[i].rule].pattern[0];
    return NULL;
}

bool scan_parts_lines(const scan_rule *rule) {
    return rule->family != RUN;
}

static bool one_of(const char *set, uint32_t c) {
    for (; *set; set++)
        if ((unsigned char)*set == c) return true;
    return false;
}

/* The end of the characters from `at` that are (or, negated, are not) in the classes. */
static const char *skip_class(uint32_t classes, bool is, const char *at, const char *end) {
    while (at < end) {
        uint32_t c;
        int n = unicode_next(at, end, &c);
        if (!!(unicode_flags(c) & classes) != is) break;
        at += n;
    }
    return at;
}

/* The end of 's 't 'm 'd 're 've 'll at `at`. The long s folds to s. */
static const char *match_contraction(contraction kind, const char *at, const char *end) {
    int64_t room = end - at;
    if (kind == NO_CONTRACTION || room < 2 || *at != '\'') return at;
    bool fold = kind == FOLDED_CONTRACTION;
    char a = at[1], b = room > 2 ? at[2] : 0;
    if (fold && room > 2 && a == '\xC5' && b == '\xBF') return at + 3;
    if (fold && a >= 'A' && a <= 'Z') a = (char)(a + 32);
    if (fold && b >= 'A' && b <= 'Z') b = (char)(b + 32);
    if (a == 's' || a == 't' || a == 'm' || a == 'd') return at + 2;
    return ((a == 'r' || a == 'v') && b == 'e') || (a == 'l' && b == 'l') ? at + 3 : at;
}

/* upper* lower+ | upper+ lower*, where marks and letters without case are both. */
static const char *match_cased(const char *at, const char *end) {
    const char *last_both = NULL; /* where upper* may stop so that lower+ has one character */
    const char *from = at, *stop = at;
    while (stop < end) {
        uint32_t c;
        int n = unicode_next(stop, end, &c);
        uint32_t f = unicode_flags(c);
        if (!(f & (L | M)) || (f & UNICODE_LOWER)) break;
        stop += n;
        if (!(f & UNICODE_UPPER)) last_both = stop;
    }
    const char *lower = stop;
    while (lower < end) {
        uint32_t c;
        int n = unicode_next(lower, end, &c);
        uint32_t f = unicode_flags(c);
        if (!(f & (L | M)) || (f & UNICODE_UPPER)) break;
        lower += n;
    }
    if (lower > stop) return lower;
    if (last_both) return last_both;
    return stop > from ? stop : at;
}

static const char *match_letters(const scan_rule *r, const char *at, const char *end) {
    if (!r->cased) return skip_class(r->letters, true, at, end);
    const char *stop = match_cased(at, end);
    return stop > at && stop < end ? match_contraction(r->contraction, stop, end) : stop;
}

/* \s*[\r\n]+ | \s+(?!\S) | \s+ */
static const char *match_space(bool newlines, const char *at, const char *end) {
    const char *stop = at, *last = at, *newline = NULL;
    while (stop < end) {
        uint32_t c;
        int n = unicode_next(stop, end, &c);
        if (!(unicode_flags(c) & UNICODE_SPACE)) break;
        last = stop;
        stop += n;
        if (c == '\r' || c == '\n') newline = stop;
    }
    if (newlines && newline) return newline;
    return stop == end || last == at ? stop : last;
}

static const char *match_digits(int32_t most, const char *at, const char *end) {
    for (int32_t i = 0; at < end && (!most || i < most); i++) {
        uint32_t c;
        int n = unicode_next(at, end, &c);
        if (!(unicode_flags(c) & N)) break;
        at += n;
    }
    return at;
}

static const char *match_words(const scan_rule *r, const char *at, const char *end) {
    uint32_t c, d = 0;
    int n = unicode_next(at, end, &c);
    const char *next = at + n, *stop;
    uint32_t f = unicode_flags(c), g = 0;
    if (c == '\'' && !r->cased && (stop = match_contraction(r->contraction, at, end)) > at)
        return stop;
    if (next < end) {
        (void)unicode_next(next, end, &d);
        g = unicode_flags(d);
    }
    uint32_t letters = r->cased ? L | M : r->letters;
    bool may_lead = r->any_lead ? !(f & (L | N)) && c != '\r' && c != '\n' : c == ' ';
    if (may_lead && (g & letters)) return match_letters(r, next, end);
    if (f & letters) return match_letters(r, at, end);
    if (f & N) return match_digits(r->digits, at, end);
    if (r->spaced_digits && c == ' ' && (g & N)) return match_digits(r->digits, next, end);
    uint32_t other = UNICODE_SPACE | L | N;
    if (!(f & other) || (c == ' ' && next < end && !(g & other))) {
        stop = skip_class(other, false, next, end);
        while (r->tail && stop < end && one_of(r->tail, (unsigned char)*stop)) stop++;
        return stop;
    }
    return match_space(r->newlines, at, end);
}

static bool in_run(const scan_rule *r, uint32_t c) {
    if (unicode_flags(c) & r->classes) return true;
    for (int i = 0; r->ranges[i].to; i++)
        if (c >= r->ranges[i].from && c <= r->ranges[i].to) return true;
    return false;
}

static const char *match_run(const scan_rule *r, const char *at, const char *end) {
    const char *from = at, *stop;
    uint32_t c;
    if (r->lead) {
        int n = unicode_next(at, end, &c);
        if ((unicode_flags(c) & UNICODE_SPACE) && at + n < end) from = at + n;
    }
    int32_t count = 0;
    for (stop = from; stop < end && (!r->most || count < r->most); count++) {
        int n = unicode_next(stop, end, &c);
        if (c == UNICODE_INVALID || !in_run(r, c)) break;
        stop += n;
    }
    return count && count >= r->least ? stop : at;
}

static bool is_latin(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static const char *match_marked(const char *at, const char *end) {
    uint32_t c, d = 0;
    int n = unicode_next(at, end, &c);
    const char *next = at + n;
    uint32_t f = unicode_flags(c), g = 0, marks = UNICODE_PUNCTUATION | UNICODE_SYMBOL;
    if (c < 0x80 && (f & marks) && next < end && is_latin(*next)) {
        while (next < end && is_latin(*next)) next++;
        return next;
    }
    if (next < end) {
        (void)unicode_next(next, end, &d);
        g = unicode_flags(d);
    }
    bool may_lead = !(f & (L | marks)) && c != '\r' && c != '\n';
    if (may_lead && (g & (L | M))) return skip_class(L | M, true, next, end);
    if (f & (L | M)) return skip_class(L | M, true, at, end);
    if ((f & marks) || (c == ' ' && (g & marks))) {
        const char *stop = skip_class(marks, true, next, end);
        while (stop < end && (*stop == '\r' || *stop == '\n')) stop++;
        return stop;
    }
    return f & UNICODE_SPACE ? match_space(true, at, end) : at;
}

const char *scan_match(const scan_rule *rule, const char *at, const char *end) {
    if (rule->family == WORDS) return match_words(rule, at, end);
    if (rule->family == RUN) return match_run(rule, at, end);
    return match_marked(at, end);
}
