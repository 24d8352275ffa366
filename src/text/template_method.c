/* Methods of strings, lists, dicts and `loop`. Python's methods that change their object are not here:
 * the sandbox that transformers uses forbids them too. */
#include "text/template_filter.h"
#include <string.h>

status template_need_text(template_call *c, int index) {
    template_value v = index < 0 ? c->self : c->arg[index];
    if (v.kind == TEMPLATE_STRING) return STATUS_OK;
    TEMPLATE_FAIL(c->ev, STATUS_BAD_DATA, "a string is needed, not a %s", template_type_name(v));
}

status template_need_int(template_call *c, int index) {
    template_value *v = &c->arg[index];
    if (v->kind == TEMPLATE_BOOL) *v = template_int(v->truth);
    if (v->kind == TEMPLATE_INT) return STATUS_OK;
    TEMPLATE_FAIL(c->ev, STATUS_BAD_DATA, "an integer is needed, not a %s", template_type_name(*v));
}

static bool absent(const template_call *c, int index) {
    return c->arg[index].kind == TEMPLATE_ABSENT || c->arg[index].kind == TEMPLATE_NONE;
}

static status limit_of(template_call *c, int index, int64_t *most) {
    *most = -1;
    if (c->arg[index].kind == TEMPLATE_ABSENT) return STATUS_OK;
    TRY(template_need_int(c, index));
    *most = c->arg[index].integer;
    return STATUS_OK;
}

static status give_text(template_call *c, const char *text, int64_t length_bytes) {
    *c->out = template_string_of(text, length_bytes);
    return template_step(c->ev, length_bytes / 64);
}

static status strip(template_call *c, bool left, bool right) {
    if (!absent(c, 0)) TRY(template_need_text(c, 0));
    TRY(template_step(c->ev, c->self.length_bytes / 64 *
                                 (absent(c, 0) ? 1 : 1 + c->arg[0].length_bytes / 8)));
    *c->out = template_strip(c->self, absent(c, 0) ? NULL : &c->arg[0], left, right);
    return STATUS_OK;
}

static status str_strip(template_call *c) {
    return strip(c, true, true);
}

static status str_lstrip(template_call *c) {
    return strip(c, true, false);
}

static status str_rstrip(template_call *c) {
    return strip(c, false, true);
}

static status str_upper(template_call *c) {
    return template_upper(c->ev, c->self, c->out);
}

static status str_lower(template_call *c) {
    return template_lower(c->ev, c->self, c->out);
}

static status str_capitalize(template_call *c) {
    return template_capitalize(c->ev, c->self, c->out);
}

static bool is_letter(uint32_t code) {
    return code >= 128 || ((code | 32) >= 'a' && (code | 32) <= 'z');
}

/* Python's title: a letter behind something that is none goes up. */
static status str_title(template_call *c) {
    template_buffer b = template_buffer_make(c->ev);
    template_value s = c->self, word;
    int bytes;
    TRY(template_step(c->ev, s.length_bytes / 4));
    for (int64_t at = 0; at < s.length_bytes;) {
        int64_t end = at;
        for (; end < s.length_bytes; end += bytes) {
            if (!is_letter(template_decode(s.text + end, s.length_bytes - end, &bytes))) break;
        }
        if (end > at) {
            TRY(template_capitalize(c->ev, template_string_of(s.text + at, end - at), &word));
            TRY(template_put(&b, word.text, word.length_bytes));
        } else {
            TRY(template_put(&b, s.text + at, bytes));
            end = at + bytes;
        }
        at = end;
    }
    *c->out = template_buffer_string(&b);
    return STATUS_OK;
}

status template_replace(evaluator *ev, template_value s, template_value from, template_value to,
                        int64_t most, template_value *out) {
    template_buffer b = template_buffer_make(ev);
    int64_t at = 0;
    for (int64_t done = 0; most < 0 || done < most; done++) {
        int64_t hit = template_find(s, from, at);
        if (hit < 0 || (!from.length_bytes && done && at >= s.length_bytes)) break;
        if (!from.length_bytes && done)
            hit += template_code_offset(s.text + at, s.length_bytes - at, 1);
        TRY(template_put(&b, s.text + at, hit - at));
        TRY(template_put(&b, to.text, to.length_bytes));
        TRY(template_step(ev, 1));
        at = hit + from.length_bytes;
    }
    TRY(template_put(&b, s.text + at, s.length_bytes - at));
    *out = template_buffer_string(&b);
    return template_step(ev, (s.length_bytes + out->length_bytes) / 64);
}

static status str_replace(template_call *c) {
    int64_t most;
    TRY(template_need_text(c, 0));
    TRY(template_need_text(c, 1));
    TRY(limit_of(c, 2, &most));
    return template_replace(c->ev, c->self, c->arg[0], c->arg[1], most, c->out);
}

static status split_blank(template_call *c, int64_t most) {
    template_value rest = template_strip(c->self, NULL, true, false);
    for (int64_t cuts = 0; rest.length_bytes; cuts++) {
        int64_t end = 0;
        int bytes;
        for (; end < rest.length_bytes; end += bytes) {
            if (template_is_space(
                    template_decode(rest.text + end, rest.length_bytes - end, &bytes)))
                break;
        }
        if (cuts == most) {
            rest = template_strip(rest, NULL, false, true);
            end = rest.length_bytes;
        }
        TRY(template_add(c->ev, *c->out, template_string_of(rest.text, end)));
        rest = template_strip(template_string_of(rest.text + end, rest.length_bytes - end), NULL,
                              true, false);
    }
    return STATUS_OK;
}

static status str_split(template_call *c) {
    int64_t most;
    TRY(limit_of(c, 1, &most));
    TRY(template_new_list(c->ev, TEMPLATE_PLAIN_LIST, c->out));
    TRY(template_step(c->ev, c->self.length_bytes / 64));
    if (absent(c, 0)) return split_blank(c, most);
    TRY(template_need_text(c, 0));
    if (!c->arg[0].length_bytes)
        TEMPLATE_FAIL(c->ev, STATUS_BAD_DATA, "split needs a separator that is not empty");
    template_value s = c->self;
    int64_t at = 0;
    for (int64_t cuts = 0; cuts != most; cuts++) {
        int64_t hit = template_find(s, c->arg[0], at);
        if (hit < 0) break;
        TRY(template_add(c->ev, *c->out, template_string_of(s.text + at, hit - at)));
        at = hit + c->arg[0].length_bytes;
    }
    return template_add(c->ev, *c->out, template_string_of(s.text + at, s.length_bytes - at));
}

/* The last place at or before `end` where the needle ends, as its start; -1 for none. */
static status find_last(evaluator *ev, template_value s, template_value needle, int64_t end,
                        int64_t *out) {
    TRY(template_step(ev, end / 16 * (1 + needle.length_bytes / 64)));
    *out = -1;
    for (int64_t at = end - needle.length_bytes; at >= 0; at--) {
        if (memcmp(s.text + at, needle.text, (size_t)needle.length_bytes)) continue;
        *out = at;
        break;
    }
    return STATUS_OK;
}

static status reverse_list(template_list *list) {
    for (int64_t i = 0, k = list->count - 1; i < k; i++, k--) {
        template_value swap = list->items[i];
        list->items[i] = list->items[k];
        list->items[k] = swap;
    }
    return STATUS_OK;
}

static status str_rsplit(template_call *c) {
    int64_t most;
    TRY(limit_of(c, 1, &most));
    if (most < 0) return str_split(c);
    if (absent(c, 0))
        TEMPLATE_FAIL(c->ev, STATUS_UNSUPPORTED,
                      "rsplit at white space with a limit is not supported");
    TRY(template_need_text(c, 0));
    if (!c->arg[0].length_bytes)
        TEMPLATE_FAIL(c->ev, STATUS_BAD_DATA, "rsplit needs a separator that is not empty");
    TRY(template_new_list(c->ev, TEMPLATE_PLAIN_LIST, c->out));
    int64_t end = c->self.length_bytes;
    TRY(template_step(c->ev, end / 16));
    for (int64_t cuts = 0; cuts < most; cuts++) {
        int64_t hit;
        TRY(find_last(c->ev, c->self, c->arg[0], end, &hit));
        if (hit < 0) break;
        int64_t from = hit + c->arg[0].length_bytes;
        TRY(template_add(c->ev, *c->out, template_string_of(c->self.text + from, end - from)));
        end = hit;
    }
    TRY(template_add(c->ev, *c->out, template_string_of(c->self.text, end)));
    return reverse_list(c->out->list);
}

status template_split_lines(evaluator *ev, template_value s, bool keep_ends, template_value *out) {
    TRY(template_new_list(ev, TEMPLATE_PLAIN_LIST, out));
    int64_t start = 0;
    int bytes;
    TRY(template_step(ev, s.length_bytes / 32));
    for (int64_t at = 0; at < s.length_bytes; at += bytes) {
        uint32_t code = template_decode(s.text + at, s.length_bytes - at, &bytes);
        bool ends = (code >= 10 && code <= 13) || (code >= 0x1c && code <= 0x1e) || code == 0x85 ||
                    code == 0x2028 || code == 0x2029;
        if (!ends) continue;
        if (code == '\r' && at + 1 < s.length_bytes && s.text[at + 1] == '\n') bytes = 2;
        int64_t end = keep_ends ? at + bytes : at;
        TRY(template_add(ev, *out, template_string_of(s.text + start, end - start)));
        start = at + bytes;
    }
    if (start == s.length_bytes) return STATUS_OK;
    return template_add(ev, *out, template_string_of(s.text + start, s.length_bytes - start));
}

static status str_splitlines(template_call *c) {
    return template_split_lines(
        c->ev, c->self, c->arg[0].kind != TEMPLATE_ABSENT && template_truth(c->arg[0]), c->out);
}

/* Whether the string starts or ends with the argument, or with one of a tuple's strings. */
static status has_edge(template_call *c, bool end) {
    template_value one = c->arg[0];
    template_list several = {.count = 1, .items = &one};
    if (one.kind == TEMPLATE_LIST && one.list->flavour == TEMPLATE_TUPLE) several = *one.list;
    bool found = false;
    for (int64_t i = 0; i < several.count && !found; i++) {
        c->arg[0] = several.items[i];
        TRY(template_need_text(c, 0));
        int64_t n = c->arg[0].length_bytes, rest = c->self.length_bytes - n;
        found = rest >= 0 && !memcmp(c->self.text + (end ? rest : 0), c->arg[0].text, (size_t)n);
    }
    *c->out = template_bool(found);
    return STATUS_OK;
}

static status str_startswith(template_call *c) {
    return has_edge(c, false);
}

static status str_endswith(template_call *c) {
    return has_edge(c, true);
}

static status str_removeprefix(template_call *c) {
    TRY(has_edge(c, false));
    int64_t cut = c->out->truth ? c->arg[0].length_bytes : 0;
    return give_text(c, c->self.text + cut, c->self.length_bytes - cut);
}

static status str_removesuffix(template_call *c) {
    TRY(has_edge(c, true));
    int64_t cut = c->out->truth ? c->arg[0].length_bytes : 0;
    return give_text(c, c->self.text, c->self.length_bytes - cut);
}

static status find_text(template_call *c, bool last, bool must) {
    TRY(template_need_text(c, 0));
    TRY(template_step(c->ev, c->self.length_bytes / 16));
    int64_t hit = last ? -1 : template_find(c->self, c->arg[0], 0);
    if (last) TRY(find_last(c->ev, c->self, c->arg[0], c->self.length_bytes, &hit));
    if (hit < 0 && must) TEMPLATE_FAIL(c->ev, STATUS_BAD_DATA, "the substring is not there");
    *c->out = template_int(hit < 0 ? -1 : template_count_codes(c->self.text, hit));
    return STATUS_OK;
}

static status str_find(template_call *c) {
    return find_text(c, false, false);
}

static status str_rfind(template_call *c) {
    return find_text(c, true, false);
}

static status str_index(template_call *c) {
    return find_text(c, false, true);
}

static status str_count(template_call *c) {
    TRY(template_need_text(c, 0));
    TRY(template_step(c->ev, c->self.length_bytes / 16));
    int64_t count = 0;
    if (!c->arg[0].length_bytes)
        count = template_count_codes(c->self.text, c->self.length_bytes) + 1;
    for (int64_t at = 0;
         c->arg[0].length_bytes && (at = template_find(c->self, c->arg[0], at)) >= 0; count++)
        at += c->arg[0].length_bytes;
    *c->out = template_int(count);
    return STATUS_OK;
}

static status str_join(template_call *c) {
    template_list items;
    TRY(template_iterate(c->ev, c->arg[0], &items));
    for (int64_t i = 0; i < items.count; i++) {
        if (items.items[i].kind != TEMPLATE_STRING)
            TEMPLATE_FAIL(c->ev, STATUS_BAD_DATA, "join needs strings, not a %s",
                          template_type_name(items.items[i]));
    }
    return template_join(c->ev, &items, c->self, c->out);
}

static status partition(template_call *c, bool last) {
    TRY(template_need_text(c, 0));
    if (!c->arg[0].length_bytes)
        TEMPLATE_FAIL(c->ev, STATUS_BAD_DATA, "partition needs a separator that is not empty");
    TRY(template_step(c->ev, c->self.length_bytes / 16));
    template_value s = c->self, empty = template_string("");
    int64_t hit = last ? -1 : template_find(s, c->arg[0], 0);
    if (last) TRY(find_last(c->ev, s, c->arg[0], s.length_bytes, &hit));
    int64_t behind = hit + c->arg[0].length_bytes;
    TRY(template_new_list(c->ev, TEMPLATE_TUPLE, c->out));
    TRY(template_add(c->ev, *c->out,
                     hit >= 0 ? template_string_of(s.text, hit)
                     : last   ? empty
                              : s));
    TRY(template_add(c->ev, *c->out, hit >= 0 ? c->arg[0] : empty));
    return template_add(c->ev, *c->out,
                        hit >= 0 ? template_string_of(s.text + behind, s.length_bytes - behind)
                        : last   ? s
                                 : empty);
}

static status str_partition(template_call *c) {
    return partition(c, false);
}

static status str_rpartition(template_call *c) {
    return partition(c, true);
}

/* Whether every byte is of the class; letters beyond ASCII are refused, since no table tells theirs. */
static status all_of(template_call *c, bool letters, bool digits, bool blanks) {
    bool all = c->self.length_bytes > 0;
    int bytes;
    TRY(template_step(c->ev, c->self.length_bytes / 16));
    for (int64_t at = 0; at < c->self.length_bytes && all; at += bytes) {
        uint32_t code = template_decode(c->self.text + at, c->self.length_bytes - at, &bytes);
        if (code >= 128 && !blanks)
            TEMPLATE_FAIL(c->ev, STATUS_UNSUPPORTED,
                          "letter classes beyond ASCII are not supported");
        all = (letters && is_letter(code)) || (digits && code >= '0' && code <= '9') ||
              (blanks && template_is_space(code));
    }
    *c->out = template_bool(all);
    return STATUS_OK;
}

static status str_isdigit(template_call *c) {
    return all_of(c, false, true, false);
}

static status str_isalpha(template_call *c) {
    return all_of(c, true, false, false);
}

static status str_isalnum(template_call *c) {
    return all_of(c, true, true, false);
}

static status str_isspace(template_call *c) {
    return all_of(c, false, false, true);
}

static status is_case(template_call *c,
                      status (*fold)(evaluator *, template_value, template_value *),
                      status (*other)(evaluator *, template_value, template_value *)) {
    template_value folded, opposite;
    TRY(fold(c->ev, c->self, &folded));
    TRY(other(c->ev, c->self, &opposite));
    *c->out = template_bool(template_equal(c->self, folded) && !template_equal(c->self, opposite));
    return STATUS_OK;
}

static status str_isupper(template_call *c) {
    return is_case(c, template_upper, template_lower);
}

static status str_islower(template_call *c) {
    return is_case(c, template_lower, template_upper);
}

/* Fills up to a width with blanks or the character given: on the left, the right. */
static status justify(template_call *c, bool left) {
    TRY(template_need_int(c, 0));
    template_value fill = template_string(" "), padding;
    if (c->arg[1].kind != TEMPLATE_ABSENT) {
        TRY(template_need_text(c, 1));
        fill = c->arg[1];
    }
    int64_t missing = c->arg[0].integer - template_count_codes(c->self.text, c->self.length_bytes);
    TRY(template_binary(c->ev, TEMPLATE_MUL, fill, template_int(missing), &padding));
    return template_binary(c->ev, TEMPLATE_CONCAT, left ? padding : c->self,
                           left ? c->self : padding, c->out);
}

static status str_ljust(template_call *c) {
    return justify(c, false);
}

static status str_rjust(template_call *c) {
    return justify(c, true);
}

static status dict_get(template_call *c) {
    const template_value *found = template_dict_find(c->self.dict, c->arg[0]);
    *c->out = found ? *found : c->arg[1].kind == TEMPLATE_ABSENT ? template_none() : c->arg[1];
    return STATUS_OK;
}

static status dict_items(template_call *c) {
    return template_dict_items(c->ev, c->self.dict, TEMPLATE_ITEMS, c->out);
}

static status dict_side(template_call *c, template_flavour flavour) {
    TRY(template_new_list(c->ev, flavour, c->out));
    for (int64_t i = 0; i < c->self.dict->count; i++) {
        const template_entry *e = &c->self.dict->entries[i];
        TRY(template_add(c->ev, *c->out, flavour == TEMPLATE_KEYS ? e->key : e->value));
    }
    return STATUS_OK;
}

static status dict_keys(template_call *c) {
    return dict_side(c, TEMPLATE_KEYS);
}

static status dict_values(template_call *c) {
    return dict_side(c, TEMPLATE_VALUES);
}

static status copy_self(template_call *c) {
    *c->out = c->self;
    return STATUS_OK;
}

static status refuse_change(template_call *c) {
    TEMPLATE_FAIL(c->ev, STATUS_UNSUPPORTED, "a template may not change a %s",
                  template_type_name(c->self));
}

static status list_index(template_call *c) {
    const template_list *list = c->self.list;
    bool same = false;
    int64_t i = 0;
    for (; i < list->count; i++) {
        TRY(template_same(c->ev, list->items[i], c->arg[0], &same));
        if (same) break;
    }
    if (!same) TEMPLATE_FAIL(c->ev, STATUS_BAD_DATA, "the item is not in the list");
    *c->out = template_int(i);
    return STATUS_OK;
}

static status list_count(template_call *c) {
    int64_t count = 0;
    for (int64_t i = 0; i < c->self.list->count; i++) {
        bool same;
        TRY(template_same(c->ev, c->self.list->items[i], c->arg[0], &same));
        count += same;
    }
    *c->out = template_int(count);
    return STATUS_OK;
}

static status loop_cycle(template_call *c) {
    if (!c->all->positional_count) TEMPLATE_FAIL(c->ev, STATUS_BAD_DATA, "cycle needs values");
    *c->out = c->all->positional[c->self.loop->index % c->all->positional_count];
    return STATUS_OK;
}

static status loop_changed(template_call *c) {
    template_value values;
    TRY(template_new_list(c->ev, TEMPLATE_TUPLE, &values));
    for (int64_t i = 0; i < c->all->positional_count; i++)
        TRY(template_add(c->ev, values, c->all->positional[i]));
    template_loop *loop = c->self.loop;
    bool same = false;
    if (loop->changed_before) TRY(template_same(c->ev, loop->last_changed, values, &same));
    *c->out = template_bool(!same);
    loop->changed_before = true;
    loop->last_changed = values;
    return STATUS_OK;
}

static const template_builtin text_methods[] = {
    {"capitalize", "", str_capitalize},
    {"count", "sub", str_count},
    {"endswith", "suffix", str_endswith},
    {"find", "sub", str_find},
    {"index", "sub", str_index},
    {"isalnum", "", str_isalnum},
    {"isalpha", "", str_isalpha},
    {"isdigit", "", str_isdigit},
    {"islower", "", str_islower},
    {"isspace", "", str_isspace},
    {"isupper", "", str_isupper},
    {"join", "iterable", str_join},
    {"ljust", "width,fillchar?", str_ljust},
    {"lower", "", str_lower},
    {"lstrip", "chars?", str_lstrip},
    {"partition", "sep", str_partition},
    {"removeprefix", "prefix", str_removeprefix},
    {"removesuffix", "suffix", str_removesuffix},
    {"replace", "old,new,count?", str_replace},
    {"rfind", "sub", str_rfind},
    {"rjust", "width,fillchar?", str_rjust},
    {"rpartition", "sep", str_rpartition},
    {"rsplit", "sep?,maxsplit?", str_rsplit},
    {"rstrip", "chars?", str_rstrip},
    {"split", "sep?,maxsplit?", str_split},
    {"splitlines", "keepends?", str_splitlines},
    {"startswith", "prefix", str_startswith},
    {"strip", "chars?", str_strip},
    {"title", "", str_title},
    {"upper", "", str_upper},
    {0},
};

static const template_builtin list_methods[] = {
    {"append", "*", refuse_change},  {"clear", "*", refuse_change},  {"copy", "", copy_self},
    {"count", "value", list_count},  {"extend", "*", refuse_change}, {"index", "value", list_index},
    {"insert", "*", refuse_change},  {"pop", "*", refuse_change},    {"remove", "*", refuse_change},
    {"reverse", "*", refuse_change}, {"sort", "*", refuse_change},   {0},
};

static const template_builtin dict_methods[] = {
    {"clear", "*", refuse_change},
    {"copy", "", copy_self},
    {"get", "key,default?", dict_get},
    {"items", "", dict_items},
    {"keys", "", dict_keys},
    {"pop", "*", refuse_change},
    {"popitem", "*", refuse_change},
    {"setdefault", "*", refuse_change},
    {"update", "*", refuse_change},
    {"values", "", dict_values},
    {0},
};

static const template_builtin loop_methods[] = {
    {"changed", "*", loop_changed}, {"cycle", "*", loop_cycle}, {0}};

const template_builtin *template_find_method(template_value self, const char *name) {
    const template_builtin *b = self.kind == TEMPLATE_STRING ? text_methods
                                : self.kind == TEMPLATE_DICT ? dict_methods
                                : self.kind == TEMPLATE_LOOP ? loop_methods
                                : self.kind == TEMPLATE_LIST && self.list->flavour <= TEMPLATE_TUPLE
                                    ? list_methods
                                    : NULL;
    for (; b && b->name; b++) {
        if (!strcmp(b->name, name)) return b;
    }
    return NULL;
}
