"""The package against the shared library: HONE_LIBRARY names it, HONE_TINY a folder that holds `model` (a decoder with
a chat template) and `encoder`, HONE_TOKENIZER a tokenizer.json."""

import math
import os

import pytest

import hone

TINY, TOKENIZER = os.environ["HONE_TINY"], os.environ["HONE_TOKENIZER"]
TEXT = "once upon a time there was a small boat that wanted to see the sea"


@pytest.fixture()
def model():
    with hone.Model(os.path.join(TINY, "model")) as opened:
        yield opened


def test_version():
    with open(os.path.join(os.path.dirname(__file__), "..", "pyproject.toml")) as project:
        assert f'version = "{hone.version()}"' in project.read()


def test_tokenizer():
    words = hone.Tokenizer(TOKENIZER)
    for text in ("", "Hello there", "Grüße, 世界 🌍", "a\x00b"):
        assert words.decode(words.encode(text)) == text
    assert all(0 <= i < len(words) for i in words.encode(TEXT))
    with pytest.raises(hone.Error):
        words.decode([len(words)])


def test_generate_streams(model):
    pieces = list(model.generate("Hello world", max_tokens=12))
    again = model.generate("Hello world", max_tokens=12)
    assert len(pieces) > 1 and again.text() == "".join(pieces)
    assert again.finish in ("stop", "length") and 0 < len(again.ids) <= 12


def test_side_by_side(model):
    alone = model.generate("Hello world", max_tokens=20, temperature=1, seed=3, logprobs=True)
    alone.text()
    first = model.generate("Hello world", max_tokens=20, temperature=1, seed=3, logprobs=True)
    second = model.generate("Hello world", max_tokens=20, temperature=1, seed=4)
    assert second.text() != first.text()
    assert first.ids == alone.ids and first.logprobs == alone.logprobs and all(p < 0 for p in alone.logprobs)


def test_stop_and_close(model):
    whole = model.generate("Hello world", max_tokens=30, temperature=1, seed=3).text()
    stop = whole[len(whole) // 2:][:2]
    stopped = model.generate("Hello world", max_tokens=30, temperature=1, seed=3, stop=[stop])
    assert stop not in stopped.text() and stopped.finish == "stop"
    left = model.generate("Hello world")
    next(left)
    left.close()
    assert len(list(left)) <= 1 and left.finish == "cancelled"


def test_chat(model):
    assert model.chats
    ids = model.chat_ids([{"role": "system", "content": "Be brief"}, {"role": "user", "content": "Hi"}])
    assert "userHi" in model.tokenizer.decode(ids)
    assert model.chat([{"role": "user", "content": "Hi"}], max_tokens=4).text()


def test_embed():
    with hone.Model(os.path.join(TINY, "encoder")) as encoder:
        two = encoder.embed(["a boat", "the sea is wide"])
        assert encoder.embed(["the sea is wide"])[0] == two[1] != two[0]
        assert len(two[0]) == encoder.width and not encoder.generates
        with pytest.raises(hone.Error) as error:
            encoder.generate("a")
        assert error.value.status == hone.Status.UNSUPPORTED
        assert memoryview(two[0]).format == "f"  # what numpy.asarray takes without copying


def test_train_and_save(tmp_path):
    words = hone.Tokenizer(TOKENIZER)
    ids = words.encode(TEXT)
    folder = str(tmp_path / "learned")
    with hone.Trainer(preset="1m", tokenizer=TOKENIZER, tokens=256, clip=1, seed=1) as trainer:
        steps = list(trainer.fit([[ids]] * 40, lambda step: 3e-3))
        assert abs(steps[0].loss - math.log(len(words))) < 0.3 and steps[-1].loss < 0.1
        assert steps[0].tokens == len(ids) - 1
        assert trainer.step([ids], 0, [ids[1:] + [-1]]).loss == trainer.step([ids], 0).loss
        trainer.save(folder, "f32")
    with hone.Model(folder) as model:
        generation = model.generate(ids[:4], max_tokens=len(ids) - 4)
        assert generation.text() and generation.ids == ids[4:]


def test_errors():
    with pytest.raises(hone.Error, match="no/such") as error:
        hone.Model("no/such")
    assert error.value.status == hone.Status.IO
    with pytest.raises(hone.Error, match="preset"):
        hone.Trainer()
    with pytest.raises(ValueError):
        hone.Trainer(preset="1m", tokenizer=TOKENIZER).step([[1, 2]], 0, [[1]])
