/* Little English stories from a seeded grammar, and questions about how they end, so that demonstrations and tests
 * of training need no download.
 *
 * A story is a plot (a gift, a thing lost and found, a quarrel, a swap, ...) told in sentences drawn among ways of
 * saying the same. Beside the words the teller keeps the state of its little world (who has what, who is where,
 * who feels how), and questions ask for that state: they can be answered by reading the story, and only so.
 * Story `index` of a seed is the same whoever asks for it; training stories and those asked about are drawn from
 * streams that never meet. */
#ifndef TEXT_STORIES_H
#define TEXT_STORIES_H

#include "text/grow.h"

typedef enum story_use { STORY_TO_LEARN, STORY_TO_ASK } story_use;
enum { STORY_MOST_QUESTIONS = 8, STORY_MOST_CHOICES = 4, STORY_WORD_BYTES = 48 };

typedef struct story_question {
    char question[STORY_WORD_BYTES];
    char choice[STORY_MOST_CHOICES][STORY_WORD_BYTES];
    int32_t choices, answer; /* answer: which choice is right */
} story_question;

typedef struct story_questions {
    story_question list[STORY_MOST_QUESTIONS];
    int32_t count;
} story_questions;

/* Appends the story, a paragraph; its questions come in random order. */
status story_tell(uint64_t seed, story_use use, int64_t index, text_buffer *out,
                  story_questions *questions) MUST_USE;
/* Appends, a line each, up to `most` of the questions with their answers: what a model learns to answer by. */
status story_append_answers(const story_questions *questions, int64_t most,
                            text_buffer *out) MUST_USE;

#endif
