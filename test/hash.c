/* Both hashes against tables by xxhash and hashlib (tool/goldens/hash.py), whole and in pieces. */
#include "test.h"
#include "base/hash.h"

enum { MOST = 1000 };
static const struct {
    size_t size;
    uint64_t seed0, seed1; /* XXH64 with seed 0 and 2654435761 */
    const char *sha;
} table[] = {
    {0, 0xef46db3751d8e999, 0xac75fda2929b17ef,
     "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {1, 0xa96c7f0ce858bbb7, 0x84e535b36672440d,
     "ca358758f6d27e6cf45272937977a748fd88391db679ceda7dc7bf1f005ee879"},
    {3, 0xbed43740ee6332bb, 0x00b77b485431ce5d,
     "17aef23a39d753e713c203c152454d29fa8e39a98e83a69b39a5094dba9ae951"},
    {4, 0xfa212ae44b3bb23d, 0x60492c4bfcb70cac,
     "2aad11f94736f39dd139082c65f4b03537584e4a49221847e098238ddc6d153f"},
    {8, 0x994b676b71ce94dd, 0xf424edebfea8d23f,
     "dcbc821bb9a36f997efeabf7764797402a041575c40539ea9d549503d3225409"},
    {15, 0x09e6451ed2ff8b1d, 0xc812576b9fd296ee,
     "c0121582635a552f8e60baab7923fe1fc270423aae80c3bca723cc76af593a89"},
    {31, 0x6711d55e306b5d8f, 0xfa1259cc8b20eb58,
     "b40a28e1f3c2313f0c11d4cac74153540d766e4fca27dbbaedfbc2ea6c1e8d30"},
    {32, 0x07f7b8e3bc5d6e25, 0x920f3e10a5db09c6,
     "bc9aa1b102854f1e4b21064c8d8552a658396222da87d1d75158f1fb15989168"},
    {33, 0x09f85eeb4e1cbe9f, 0x3d805e8712cb4890,
     "ba2525a86a58dca8882443e63aebb5cba28e46d3eac03ac86ada03154bf39d3f"},
    {55, 0x8f8dc5b07f6d48ed, 0x09e8ac99023d4985,
     "16ed9c4697ca11d5f6fb25ea7900252dd4cb97215d7f6d0b2bb3e2a86ac0ec72"},
    {56, 0xa2acf5b431db2e52, 0xf74630203777e34b,
     "939ada93b2fe1e9c596d767bb408567c83e253667f0b25e5be8e16f35f2cbac9"},
    {63, 0xb7c9968c066cb6a5, 0x184bc5097530bb9a,
     "6073f83b09ae82016cdbe24c18996c48f0eaa08ca675d0f6b90b807fc29e0149"},
    {64, 0x50d4159a0411632e, 0x94667e10d68b3991,
     "b337ba9b0c69c391364e985fdcb23a889887e59800832c92fbfa22b8a3c40304"},
    {65, 0xd277176bff863efc, 0xe181e4d736915eb4,
     "9d6a3fb113b586b4ab97bc11c993a27bd9b7bbcb756e0646083dc47a679600e6"},
    {100, 0x9ddada11d3dc2d8f, 0x5766be6782b96389,
     "b493defffa04821dbe4b757ed039293591680fd3f05a08182b145193205fcba0"},
    {1000, 0x0bf0bdbcc82eb373, 0xb43e358553049780,
     "533b698850849b7908b20a22658f639c0b2a476f1791f85f50188287c31a9aba"},
};

static void fill(uint8_t *data) {
    for (int i = 0; i < MOST; i++) data[i] = (uint8_t)(i * 131 + 7);
}

static void known_answers(test *t) {
    uint8_t data[MOST], digest[SHA256_BYTES];
    char text[SHA256_TEXT_BYTES];
    fill(data);
    for (int i = 0; i < COUNT_OF(table); i++) {
        size_t n = table[i].size;
        CHECK(t, hash_xxh64(data, n, 0) == table[i].seed0, "%zu bytes", n);
        CHECK(t, hash_xxh64(data, n, 2654435761u) == table[i].seed1, "%zu bytes", n);
        hash_sha256(data, n, digest);
        hash_sha256_text(digest, text);
        CHECK(t, !strcmp(text, table[i].sha), "%zu bytes: %s", n, text);
        if (n == 0) continue;
        data[n - 1] ^= 1; /* control */
        CHECK(t, hash_xxh64(data, n, 0) != table[i].seed0);
        hash_sha256(data, n, digest);
        hash_sha256_text(digest, text);
        CHECK(t, strcmp(text, table[i].sha) != 0);
        data[n - 1] ^= 1;
    }
}

static void in_pieces(test *t) {
    uint8_t data[MOST], whole[SHA256_BYTES], digest[SHA256_BYTES];
    fill(data);
    hash_sha256(data, MOST, whole);
    for (size_t piece = 1; piece < 150; piece += 7) {
        hash_xxh64_state x;
        hash_sha256_state s;
        hash_xxh64_begin(&x, 5);
        hash_sha256_begin(&s);
        for (size_t at = 0; at < MOST; at += piece) {
            size_t n = MIN_OF(piece, MOST - at);
            hash_xxh64_add(&x, data + at, n);
            hash_sha256_add(&s, data + at, n);
            CHECK(t, hash_xxh64_value(&x) == hash_xxh64(data, at + n, 5), "%zu", at);
        }
        hash_sha256_value(&s, digest);
        CHECK(t, !memcmp(digest, whole, sizeof digest), "pieces of %zu", piece);
    }
}

/* RFC 3720, appendix B.4, and the usual check value. */
static void crc(test *t) {
    uint8_t zeros[32] = {0}, ones[32], rising[32];
    memset(ones, 255, sizeof ones);
    for (int i = 0; i < 32; i++) rising[i] = (uint8_t)i;
    CHECK(t, hash_crc32c("123456789", 9) == 0xe3069283u);
    CHECK(t, hash_crc32c(zeros, 32) == 0x8a9136aau);
    CHECK(t, hash_crc32c(ones, 32) == 0x62a8ab43u);
    CHECK(t, hash_crc32c(rising, 32) == 0x46dd794eu);
    CHECK(t, hash_crc32c(rising, 31) != 0x46dd794eu);
}

const test_case suite_hash[] = {
    {"crc", crc}, {"known_answers", known_answers}, {"in_pieces", in_pieces}, {0}};
