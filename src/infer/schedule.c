/* Deciding steps (infer/schedule.h). */
#include "infer/schedule.h"
#include <assert.h>
#include <string.h>

const policy_def *policy_find(const char *name) {
    for (int32_t i = 0; registry_policy[i]; i++)
        if (!strcmp(registry_policy[i]->name, name)) return registry_policy[i];
    return NULL;
}

status schedule_make(arena *mem, const schedule_limits *limits, const policy_def *policy,
                     int32_t n_pages, schedule *out) {
    *out = (schedule){.limits = *limits, .policy = policy};
    out->waiting = ARENA_NEW(mem, sequence *, limits->queue + 1);
    out->running = ARENA_NEW(mem, sequence *, limits->sequences + 1);
    out->entries = ARENA_NEW(mem, schedule_entry, limits->sequences + 1);
    out->copies = ARENA_NEW(mem, page_copy, limits->sequences + 1);
    out->accounts = ARENA_NEW(mem, account, limits->queue + 1);
    if (!out->waiting || !out->running || !out->entries || !out->copies || !out->accounts)
        return STATUS_NO_MEMORY;
    TRY(pages_make(mem, n_pages, &out->pages));
    return limits->keeps_prefixes ? prefix_make(mem, &out->pages, limits->page, &out->prefix)
                                  : STATUS_OK;
}

/* The account of a client, who may be new here: then it begins where the least served stands. */
static account *open_account(schedule *x, uint64_t client) {
    account *free = NULL;
    int64_t least = INT64_MAX;
    for (int32_t i = 0; i < x->n_accounts; i++) {
        account *a = &x->accounts[i];
        if (a->here && a->client == client) return a;
        if (!a->here) free = a;
        if (a->here) least = MIN_OF(least, a->served);
    }
    if (!free) free = &x->accounts[x->n_accounts++];
    *free = (account){.client = client, .served = least < INT64_MAX ? least : 0};
    return free;
}

bool schedule_add(schedule *x, sequence *s) {
    if (x->n_waiting + x->n_running >= x->limits.queue) return false;
    s->arrived = x->arrivals++;
    s->state = SEQUENCE_WAITS;
    s->account = open_account(x, s->client);
    s->account->here++;
    x->waiting[x->n_waiting++] = s;
    return true;
}

static void give_back(schedule *x, sequence *s) {
    while (s->n_pages) pages_drop(&x->pages, s->pages[--s->n_pages]);
    s->n_cached = s->n_guessed = s->n_kept = 0;
}

static void take_out(sequence **list, int32_t *n, const sequence *s) {
    int32_t at = 0;
    while (at < *n && list[at] != s) at++;
    assert(at < *n);
    memmove(list + at, list + at + 1, (size_t)(*n - at - 1) * sizeof *list);
    (*n)--;
}

void schedule_remove(schedule *x, sequence *s) {
    if (s->state == SEQUENCE_WAITS) take_out(x->waiting, &x->n_waiting, s);
    if (s->state == SEQUENCE_RUNS) take_out(x->running, &x->n_running, s);
    give_back(x, s);
    if (s->state != SEQUENCE_NEW) s->account->here--;
    s->state = SEQUENCE_NEW;
}

void schedule_share(schedule *x, sequence *s, const sequence *from, int64_t n) {
    assert(s->n_pages == 0 && n <= from->n_cached && n < s->n_tokens);
    s->n_pages = (int32_t)div_up(n, x->limits.page);
    s->n_cached = n;
    for (int32_t i = 0; i < s->n_pages; i++) {
        s->pages[i] = from->pages[i];
        pages_hold(&x->pages, s->pages[i]);
    }
    s->n_kept = MIN_OF(from->n_kept, (int32_t)(n / x->limits.page));
}

/* What is known of the beginning of a waiting sequence, but for the tokens that want logits. */
static void find_prefix(schedule *x, sequence *s) {
    int64_t most = MIN_OF(s->n_tokens - 1, s->rows_from);
    if (!x->prefix || !s->tokens || s->n_pages || most < 1) return;
    s->n_pages = s->n_kept = prefix_find(x->prefix, s->salt, s->tokens, most, s->pages);
    s->n_cached = (int64_t)s->n_pages * x->limits.page;
    x->asked += most;
    x->found += s->n_cached;
}

/* Full pages go into the tree; where it knows one of the same tokens, the sequence holds that one instead. */
static void keep_prefix(schedule *x, sequence *s) {
    for (; (int64_t)(s->n_kept + 1) * x->limits.page <= s->n_cached; s->n_kept++) {
        int32_t before = s->n_kept ? s->pages[s->n_kept - 1] : PREFIX_ROOT,
                own = s->pages[s->n_kept];
        const int32_t *tokens = s->tokens + (int64_t)s->n_kept * x->limits.page;
        int32_t known = prefix_add(x->prefix, s->salt, before, tokens, own);
        if (known == own) continue;
        pages_hold(&x->pages, known);
        pages_drop(&x->pages, own);
        s->pages[s->n_kept] = known;
    }
}

void schedule_computed(schedule *x, sequence *s, int64_t tokens) {
    s->n_cached += tokens;
    s->account->served += tokens + (s->n_cached == s->n_tokens);
    if (x->prefix && s->tokens) keep_prefix(x, s);
}

static int32_t take_page(schedule *x) {
    if (!x->pages.n_free && x->prefix) prefix_evict(x->prefix);
    return pages_take(&x->pages);
}

/* Pages that `s` needs beyond those it has for its first `tokens` tokens; one more where the page that is written
 * first is shared. */
static bool writes_shared(const schedule *x, const sequence *s) {
    int64_t at = s->n_cached / x->limits.page;
    return at < s->n_pages && pages_shared(&x->pages, s->pages[at]);
}
static int64_t pages_missing(const schedule *x, const sequence *s, int64_t tokens) {
    return MAX_OF(div_up(tokens, x->limits.page) - s->n_pages, 0) + writes_shared(x, s);
}

/* Pages for `tokens` tokens, which must be there. */
static void take_pages(schedule *x, sequence *s, int64_t tokens) {
    if (writes_shared(x, s)) {
        int32_t *at = &s->pages[s->n_cached / x->limits.page], own = take_page(x);
        x->copies[x->n_copies++] = (page_copy){*at, own};
        pages_drop(&x->pages, *at);
        *at = own;
    }
    while (s->n_pages < div_up(tokens, x->limits.page)) s->pages[s->n_pages++] = take_page(x);
}

typedef struct budget {
    int64_t tokens, rows;
} budget;

/* Of the next `tokens` tokens of `s`, how many want logits. */
static int64_t rows_of(const sequence *s, int64_t tokens) {
    int64_t end = s->n_cached + tokens, from = MAX_OF(s->rows_from, s->n_cached);
    return MAX_OF(end - from, 0);
}

/* As many tokens as budget, rows and pages allow. */
static int64_t fitting(const schedule *x, const sequence *s, const budget *b) {
    int64_t tokens = MIN_OF(s->n_tokens - s->n_cached, b->tokens);
    int64_t free = schedule_room(x) - writes_shared(x, s);
    if (free < 0) return 0;
    tokens = MIN_OF(tokens, (s->n_pages + free) * x->limits.page - s->n_cached);
    return MIN_OF(tokens, MAX_OF(s->rows_from - s->n_cached, 0) + b->rows);
}

static void enter(schedule *x, sequence *s, int64_t tokens, budget *b) {
    int64_t rows = rows_of(s, tokens);
    take_pages(x, s, s->n_cached + tokens);
    x->entries[x->n_entries++] = (schedule_entry){s, tokens, rows};
    s->step = x->step;
    b->tokens -= tokens;
    b->rows -= rows;
}

/* A waiting sequence other than `s` that shares pages lets go of them. */
static bool unshare(schedule *x, const sequence *s) {
    for (int32_t i = x->n_waiting - 1; i >= 0; i--) {
        if (x->waiting[i] == s || !x->waiting[i]->n_pages) continue;
        give_back(x, x->waiting[i]);
        return true;
    }
    return false;
}

static void send_back(schedule *x, sequence *s) {
    take_out(x->running, &x->n_running, s);
    give_back(x, s);
    s->state = SEQUENCE_WAITS;
    x->waiting[x->n_waiting++] = s;
    x->sent_back++;
}

/* Frees pages for `s`, which runs and is not in this step yet; false: it was sent back itself. */
static bool make_room(schedule *x, const sequence *s) {
    if (unshare(x, s)) return true;
    int32_t i = x->n_running - 1;
    while (x->running[i]->step == x->step) i--;
    sequence *last = x->running[i];
    send_back(x, last);
    return last != s;
}

static void enter_decodes(schedule *x, budget *b) {
    for (int32_t i = 0; i < x->n_running; i++) {
        sequence *s = x->running[i];
        if (s->n_tokens - s->n_cached != 1 || b->tokens < 1 || b->rows < 1) continue;
        bool stays = true;
        while (stays && pages_missing(x, s, s->n_tokens) > schedule_room(x))
            stays = make_room(x, s);
        if (!stays) break; /* it was the last one */
        enter(x, s, 1, b);
    }
}

/* The oldest takes pages from others if it must; the rest make do with what is free. */
static void enter_prompts(schedule *x, budget *b) {
    for (int32_t i = 0; i < x->n_running && b->tokens > 0; i++) {
        sequence *s = x->running[i];
        if (s->step == x->step) continue;
        while (i == 0 && pages_missing(x, s, s->n_cached + 1) > schedule_room(x))
            if (!make_room(x, s)) return;
        int64_t tokens = fitting(x, s, b);
        if (tokens > 0) enter(x, s, tokens, b);
    }
}

/* Pages that running sequences still need for the tokens they have. */
static int64_t pages_promised(const schedule *x) {
    int64_t n = 0;
    for (int32_t i = 0; i < x->n_running; i++)
        n += pages_missing(x, x->running[i], x->running[i]->n_tokens);
    return n;
}

static sequence *first_waiting(const schedule *x) {
    sequence *best = NULL;
    for (int32_t i = 0; i < x->n_waiting; i++)
        if (!best || x->policy->before(x->waiting[i], best)) best = x->waiting[i];
    return best;
}

static void admit(schedule *x, budget *b) {
    while (b->tokens > 0 && x->n_running < x->limits.sequences) {
        sequence *s = first_waiting(x);
        if (!s) return;
        find_prefix(x, s);
        /* one page more than its tokens need, so that it is not sent back at once */
        int64_t needed = pages_missing(x, s, s->n_tokens + 1);
        if (x->n_running && needed + pages_promised(x) > schedule_room(x)) return;
        while (!x->n_running && needed > schedule_room(x) && unshare(x, s)) {
        }
        int64_t tokens = fitting(x, s, b);
        if (tokens <= 0) return;
        take_out(x->waiting, &x->n_waiting, s);
        s->state = SEQUENCE_RUNS;
        x->running[x->n_running++] = s;
        enter(x, s, tokens, b);
    }
}

/* Guesses take what nobody else wants; no page is given up for them. */
static void enter_guesses(schedule *x, budget *b) {
    for (int32_t i = 0; i < x->n_entries; i++) {
        schedule_entry *e = &x->entries[i];
        sequence *s = e->s;
        int64_t end = s->n_cached + e->tokens,
                room = (s->n_pages + schedule_room(x)) * x->limits.page - end;
        int64_t more = MIN_OF(MIN_OF(s->n_guessed, room), MIN_OF(b->tokens, b->rows));
        if (end < s->n_tokens || more <= 0) continue;
        while (s->n_pages < div_up(end + more, x->limits.page))
            s->pages[s->n_pages++] = take_page(x);
        e->tokens += more;
        e->rows += more;
        b->tokens -= more;
        b->rows -= more;
    }
}

/* Pages of guesses that were wrong are free again. */
static void drop_guessed(schedule *x) {
    for (int32_t i = 0; i < x->n_running; i++) {
        sequence *s = x->running[i];
        while (s->n_pages > div_up(s->n_tokens, x->limits.page))
            pages_drop(&x->pages, s->pages[--s->n_pages]);
    }
}

/* By insertion: between two steps hardly anything changes. */
static void order_running(schedule *x) {
    for (int32_t i = 1; i < x->n_running; i++) {
        sequence *s = x->running[i];
        int32_t at = i;
        for (; at > 0 && x->policy->before(s, x->running[at - 1]); at--)
            x->running[at] = x->running[at - 1];
        x->running[at] = s;
    }
}

/* Those who wait send back whom the policy lets them, last ones first, until the first of them fits. */
static void displace(schedule *x) {
    while (x->policy->displaces && x->n_running) {
        const sequence *s = first_waiting(x);
        sequence *last = x->running[x->n_running - 1];
        if (!s || !x->policy->displaces(s, last)) return;
        int64_t needed = pages_missing(x, s, s->n_tokens + 1) + pages_promised(x);
        if (x->n_running < x->limits.sequences && needed <= schedule_room(x)) return;
        send_back(x, last);
    }
}

void schedule_step(schedule *x) {
    budget b = {x->limits.tokens, x->limits.rows};
    x->step++;
    x->n_entries = x->n_copies = 0;
    drop_guessed(x);
    order_running(x);
    displace(x);
    enter_decodes(x, &b);
    enter_prompts(x, &b);
    admit(x, &b);
    enter_guesses(x, &b);
}
