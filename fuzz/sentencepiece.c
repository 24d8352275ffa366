/* Any bytes as a SentencePiece model. */
#include "kit/use_tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    tokenizer_fuzz(tokenizer_open_model, data, size);
    return 0;
}
