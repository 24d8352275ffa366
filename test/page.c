/* The chat page in headless Chromium, as its user has it: by keyboard, on a phone, light and dark. Skipped aloud where
 * no Chromium is installed. */
#include "kit/browser.h"
#include "kit/shop.h"
#include <stdio.h>
#include <stdlib.h>

#define EVAL_IS(t, b, expression, wanted)                                                          \
    CHECK(t, !strcmp(browser_eval(b, expression), wanted), "it is '%s'",                           \
          browser_eval(b, expression))
#define UNTIL(t, b, expression)                                                                    \
    CHECK(t, browser_until(b, expression), "%s", browser_eval(b, "document.body.innerText"))

static void press(browser *b, const char *key) {
    browser_press(b, key, false);
}

/* Goes on by the tabulator until this has the focus; false when everything had it. */
static bool tab_to(browser *b, const char *words) {
    char text[256];
    snprintf(text, sizeof text,
             "[document.activeElement.textContent, document.activeElement.name]"
             ".includes('%s')",
             words);
    for (int i = 0; i < 40; i++) {
        if (!strcmp(browser_eval(b, text), "true")) return true;
        press(b, "Tab");
    }
    return false;
}

static void loads(test *t, browser *b) {
    EVAL_IS(t, b, "document.title", "Hone");
    UNTIL(t, b, "at('state').textContent.startsWith('toy: 0 running')");
    EVAL_IS(t, b, "document.activeElement.id", "prompt");
}

/* Settings are filled in and closed by keyboard, and kept. */
static void sets(test *t, browser *b, const char *most_tokens) {
    char kept[128];
    browser_press(b, "s", true);
    UNTIL(t, b, "settings.open");
    CHECK(t, tab_to(b, "temperature"));
    (void)browser_eval(b, "document.activeElement.select()");
    browser_type(b, "0");
    CHECK(t, tab_to(b, "max_tokens"));
    (void)browser_eval(b, "document.activeElement.select()");
    browser_type(b, most_tokens);
    press(b, "Enter");
    UNTIL(t, b, "!settings.open");
    snprintf(kept, sizeof kept, "JSON.parse(localStorage.hone || '{}').max_tokens === '%s'",
             most_tokens);
    UNTIL(t, b, kept);
    EVAL_IS(t, b, "document.activeElement.id", "prompt");
}

/* What was typed stands there as text, and the answer grows piece by piece. */
static void talks(test *t, browser *b) {
    (void)browser_eval(
        b, "(window.seen = new Set(), new MutationObserver(() => seen.add("
           "document.querySelector('.assistant .words')?.textContent.length)).observe(talk, "
           "{childList: true, subtree: true, characterData: true}))");
    browser_type(b, "Tell <img src=x onerror=alert(1)>");
    press(b, "Enter");
    UNTIL(t, b, "messages.length === 2 && !answering");
    EVAL_IS(t, b, "document.querySelector('.user .words').textContent",
            "Tell <img src=x onerror=alert(1)>");
    EVAL_IS(t, b, "seen.size > 5", "true");
    EVAL_IS(t, b, "/tokens\\/s, 1500 tokens, first after/.test(messages[1].note)", "true");
    EVAL_IS(t, b, "[at('send').hidden, at('stop').hidden].join()", "false,true");
}

static void changes_its_mind(test *t, browser *b) {
    (void)browser_eval(b, "window.was = messages[1]");
    CHECK(t, tab_to(b, "Regenerate"));
    press(b, "Enter");
    UNTIL(t, b, "!answering && messages[1] !== was");
    EVAL_IS(t, b, "messages.length === 2 && messages[1].content === was.content", "true");
    press(b, "ArrowUp");
    EVAL_IS(t, b, "prompt_field.value.startsWith('Tell ') && messages.length", "0");
    (void)browser_eval(b, "prompt_field.select()");
    browser_type(b, "Another");
    press(b, "Enter");
    UNTIL(t, b, "messages.length === 2 && !answering");
    EVAL_IS(t, b, "messages[0].content", "Another");
    EVAL_IS(t, b, "messages[1].content !== was.content", "true");
    CHECK(t, tab_to(b, "Edit"));
    press(b, "Enter");
    EVAL_IS(t, b, "prompt_field.value + messages.length", "Another0");
}

/* Escape ends the answer here and in the engine. */
static void stops(test *t, browser *b, const shop *s) {
    press(b, "Enter");
    UNTIL(t, b, "answering && messages[1].content.length > 5");
    press(b, "Escape");
    UNTIL(t, b, "!answering");
    EVAL_IS(t, b, "messages[1].note", "stopped");
    CHECK(t, shop_settles(s, "\nvllm:num_requests_running{", 0));
    CHECK(t, shop_metric(s, "\nvllm:request_success_total{finished_reason=\"abort\"") == 1);
    browser_press(b, "n", true);
    EVAL_IS(t, b, "messages.length", "0");
}

/* On a narrow screen everything is within it, and large enough for a finger. */
static void fits_a_phone(test *t, browser *b) {
    CHECK(t, browser_do(b, "Emulation.setDeviceMetricsOverride",
                        "{\"width\": 360, \"height\": 640, \"deviceScaleFactor\": 2, "
                        "\"mobile\": true}"));
    UNTIL(t, b, "innerWidth === 360");
    browser_type(b, "wwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwww");
    press(b, "Enter");
    UNTIL(t, b, "messages.length === 2 && !answering");
    EVAL_IS(t, b, "document.documentElement.scrollWidth", "360");
    EVAL_IS(t, b,
            "[...document.querySelectorAll('button, textarea')].filter((e) => e.offsetParent && "
            "!settings.contains(e)).map((e) => [e, e.getBoundingClientRect()]).filter(([e, r]) => "
            "r.left < 0 || r.right > 360 || r.height < 24 || (at('scroll').contains(e) ? false : "
            "r.top < 0 || r.bottom > 640)).map(([e, r]) => e.textContent + r.height).join()",
            "");
    EVAL_IS(t, b, "parseFloat(getComputedStyle(prompt_field).fontSize) >= 16", "true");
    CHECK(t, browser_do(b, "Emulation.clearDeviceMetricsOverride", "{}"));
}

/* Text against what it stands on, by WCAG's contrast, in both schemes. */
static void is_readable(test *t, browser *b) {
    static const char contrast[] =
        "(() => { const light = (c) => { const v = c.match(/[\\d.]+/g).slice(0, 3).map((x) => (x "
        "/= "
        "255) <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4); return 0.2126 * v[0] + "
        "0.7152 "
        "* v[1] + 0.0722 * v[2]; }; const under = (e) => { for (; e; e = e.parentElement) { const "
        "c "
        "= getComputedStyle(e).backgroundColor; if (c !== 'rgba(0, 0, 0, 0)') return c; } return "
        "'rgb(255, 255, 255)'; }; const least = Math.min(...['body', '#state', '.user .words', "
        "'.assistant .words', '.note', '#send', '#prompt', '.tools button'].map((q) => { const e = "
        "document.querySelector(q), a = light(getComputedStyle(e).color), b = light(under(e)); "
        "return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05); })); return [least >= 4.5, "
        "light(under(document.body)) < 0.5 ? 'dark' : 'light', least.toFixed(1)].slice(0, least >= "
        "4.5 ? 2 : 3).join(' '); })()";
    static const char *const schemes[][2] = {{"light", "true light"}, {"dark", "true dark"}};
    for (int i = 0; i < COUNT_OF(schemes); i++) {
        CHECK(t, browser_do(b, "Emulation.setEmulatedMedia",
                            "{\"features\": [{\"name\": \"prefers-color-scheme\", \"value\": "
                            "\"%s\"}]}",
                            schemes[i][0]));
        EVAL_IS(t, b, contrast, schemes[i][1]);
    }
}

/* The checks for complaints see them where there are some. */
static void complains(test *t, browser *b) {
    (void)browser_eval(b, "setTimeout(() => { throw Error('nobody catches me') })");
    (void)browser_eval(b, "fetch('http://127.0.0.2:9/elsewhere').catch(() => 1)");
    CHECK(t, strstr(browser_complaints(b), "nobody catches me"), "%s", browser_complaints(b));
    CHECK(t, strstr(browser_complaints(b), "/elsewhere"), "%s", browser_complaints(b));
}

static void use(test *t, browser *b, const shop *s) {
    char origin[64];
    snprintf(origin, sizeof origin, "http://127.0.0.1:%d/", s->port);
    CHECK(t, browser_visit(b, origin));
    loads(t, b);
    sets(t, b, "1500");
    talks(t, b);
    changes_its_mind(t, b);
    sets(t, b, "3900");
    stops(t, b, s);
    sets(t, b, "30");
    fits_a_phone(t, b);
    is_readable(t, b);
    CHECK(t, !*browser_complaints(b), "%s", browser_complaints(b));
    complains(t, b);
}

static void use_in(test *t, shop *s) {
    const char *why;
    browser *b = browser_open(s->web_cx, test_folder(t), &why);
    if (b)
        use(t, b, s);
    else
        test_skip(t, "%s", why);
    browser_close(b);
}

static void chromium(test *t) {
    in_shop(t, &(shop_way){.engine = {.context = 4096}, .endless = true}, use_in);
}

const test_case suite_page[] = {{"chromium", chromium, true}, {0}};
