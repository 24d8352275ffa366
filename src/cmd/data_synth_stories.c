/* `hone data synth stories`: text to learn from, and questions about other stories of the same kind. */
#include "base/file.h"
#include "base/json_write.h"
#include "base/options.h"
#include "store/token_set.h"
#include "text/stories.h"
#include <errno.h>
#include <sys/stat.h>

typedef struct data_synth_stories_options {
    int64_t count, seed, answers, questions_count;
    const char *out, *questions;
} data_synth_stories_options;

static const option_def options[] = {
    OPTION(data_synth_stories_options, count, OPTION_INT, .letter = 'n', .initial = "10000",
           RANGE(0, 1e12), .help = "stories to write"),
    OPTION(data_synth_stories_options, seed, OPTION_INT, .initial = "0", RANGE(0, 9e18),
           .help = "other numbers give other stories"),
    OPTION(data_synth_stories_options, out, OPTION_STRING, .required = true, .letter = 'o',
           .value = "DIR|FILE",
           .help = "a .jsonl file, a .txt file with <|endoftext|> between stories, or a folder for "
                   "stories.jsonl and questions.jsonl"),
    OPTION(data_synth_stories_options, answers, OPTION_INT, .initial = "3", RANGE(0, 8),
           .help = "questions that stand answered behind each story, at most"),
    OPTION(data_synth_stories_options, questions, OPTION_STRING, .value = "FILE",
           .help =
               "write multiple-choice questions about stories that are not among them, as JSONL"),
    OPTION(data_synth_stories_options, questions_count, OPTION_INT, .initial = "500",
           RANGE(1, 1e12), .help = "questions to write, each about a story of its own"),
    {0}};

static status write_line(json_writer *j, file_writer *file) {
    status st = json_writer_finish(j);
    if (st == STATUS_OK) st = file_write(file, j->bytes, j->size);
    json_writer_free(j);
    return st == STATUS_OK ? file_write(file, "\n", 1) : st;
}

static status write_story(const data_synth_stories_options *o, int64_t index, bool plain,
                          text_buffer *text, file_writer *file) {
    static const char between[] = "\n<|endoftext|>\n";
    story_questions questions;
    text->length = 0;
    TRY(story_tell((uint64_t)o->seed, STORY_TO_LEARN, index, text, &questions));
    TRY(story_append_answers(&questions, o->answers, text));
    if (plain) {
        if (index) TRY(file_write(file, between, sizeof between - 1));
        return file_write(file, text->bytes, text->length);
    }
    json_writer j = json_writer_to_buffer(text->cx, 0);
    json_write_object(&j);
    json_write_key(&j, "text");
    json_write_text(&j, text->bytes, text->length);
    json_write_object_end(&j);
    return write_line(&j, file);
}

static status write_question(const data_synth_stories_options *o, int64_t index, text_buffer *text,
                             file_writer *file) {
    story_questions questions;
    text->length = 0;
    TRY(story_tell((uint64_t)o->seed, STORY_TO_ASK, index, text, &questions));
    const story_question *q = questions.list;
    json_writer j = json_writer_to_buffer(text->cx, 0);
    json_write_object(&j);
    json_write_key(&j, "context");
    json_write_text(&j, text->bytes, text->length);
    json_write_string_field(&j, "question", q->question);
    json_write_key(&j, "choices");
    json_write_array(&j);
    for (int i = 0; i < q->choices; i++) json_write_string(&j, q->choice[i]);
    json_write_array_end(&j);
    json_write_integer_field(&j, "answer", q->answer);
    json_write_object_end(&j);
    return write_line(&j, file);
}

static status write_file(context *cx, const data_synth_stories_options *o, const char *path,
                         bool asked) {
    size_t length = strlen(path);
    bool plain = length > 4 && !strcmp(path + length - 4, ".txt");
    text_buffer text = {.cx = cx};
    file_writer file;
    int64_t count = asked ? o->questions_count : o->count;
    TRY(file_create(cx, path, &file));
    status st = STATUS_OK;
    for (int64_t i = 0; i < count && st == STATUS_OK; i++)
        st = asked ? write_question(o, i, &text, &file) : write_story(o, i, plain, &text, &file);
    text_free(&text);
    if (st == STATUS_OK) return file_commit(&file);
    file_abandon(&file);
    return st;
}

static status run(const verb_call *call) {
    const data_synth_stories_options *o = call->options;
    const char *stories = o->out, *questions = o->questions, *dot = strrchr(o->out, '.');
    bool file = dot && (!strcmp(dot, ".jsonl") || !strcmp(dot, ".txt"));
    if (!file) {
        if (mkdir(o->out, 0777) && errno != EEXIST)
            FAIL(call->cx, STATUS_IO, "making '%s': %s", o->out, strerror(errno));
        stories = arena_printf(call->memory, "%s/stories.jsonl", o->out);
        if (!questions) questions = arena_printf(call->memory, "%s/questions.jsonl", o->out);
        if (!stories || !questions) return STATUS_NO_MEMORY;
    }
    TRY(file_check_new(call->cx, stories));
    if (questions) TRY(file_check_new(call->cx, questions));
    TRY(write_file(call->cx, o, stories, false));
    return questions ? write_file(call->cx, o, questions, true) : STATUS_OK;
}

const verb_def verb_data_synth_stories = {
    .name = "data synth stories",
    .summary = "write little stories to learn from, and questions about them",
    .example = "hone data synth stories --out stories-text --count 40000",
    .help =
        "Simple English stories of a seeded grammar: some people, things and places, a small plot. "
        "Behind each story stand questions with their answers, a line each (--answers 0 for "
        "none).\n"
        "The questions of --questions are about stories that are not among those to learn from. "
        "Each "
        "line is {\"context\", \"question\", \"choices\", \"answer\"}, answer being the number of "
        "the right "
        "choice from 0 on. What a model is asked is the context, a newline, the question, a space, "
        "and the "
        "choice, as in the stories to learn from.",
    .options_bytes = sizeof(data_synth_stories_options),
    .options = options,
    .run = run,
};
