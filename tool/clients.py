#!/usr/bin/env python3
"""Stock clients against `hone serve` (tool/clients says how it is called): each line is one thing that a client did and
what was expected of the server; the first that fails ends it with status 1."""
import argparse
import atexit
import json
import math
import os
import pathlib
import re
import subprocess
import sys
import threading
import urllib.request

import openai

QUESTION = "How warm is it in Oslo?"
TOOL = {"type": "function", "function": {"name": "weather", "description": "The weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}


def check(what, holds, seen=""):
    print(("ok    " if holds else "FAIL  ") + what + (f": {seen}" if seen != "" else ""), flush=True)
    if not holds:
        sys.exit(1)


class Server:
    """One `hone serve`, whose totals its clients count too."""

    def __init__(self, hone, model, *options):
        self.process = subprocess.Popen([hone, "serve", str(model), "--port", "0", *options],
                                        stderr=subprocess.PIPE, text=True)
        atexit.register(self.process.kill)
        self.url = next((line.split()[1] for line in self.process.stderr if line.startswith("ready ")), None)
        check(f"hone serve {model} says ready", self.url is not None)
        threading.Thread(target=self.process.stderr.read, daemon=True).start()  # it never waits to be heard
        self.asked = self.drawn = self.ended = 0

    def client(self, key="none"):
        return openai.OpenAI(base_url=self.url + "/v1", api_key=key, max_retries=0)

    def count(self, usage):
        self.asked += usage.prompt_tokens
        self.drawn += usage.completion_tokens
        self.ended += 1
        return usage

    def get(self, path):
        return urllib.request.urlopen(self.url + path).read().decode()

    def metric(self, name):
        return sum(float(v) for v in re.findall(rf"^vllm:{name}\{{[^}}]*\}} (\S+)$", self.get("/metrics"), re.M))

    def end(self):
        self.process.terminate()
        check("SIGTERM ends it with status 0", self.process.wait(30) == 0)


def completions(server):
    client = server.client()
    name = client.models.list().data[0].id
    plain = dict(model=name, prompt="One sunny day,", max_tokens=24, temperature=0, seed=1)
    whole = client.completions.create(**plain)
    server.count(whole.usage)
    check("openai: completions", whole.choices[0].text and whole.usage.completion_tokens <= 24, whole.choices[0].text)
    text = ""
    for event in client.completions.create(**plain, stream=True, stream_options={"include_usage": True}):
        text += "".join(c.text for c in event.choices)
        if event.usage:
            server.count(event.usage)
    check("openai: completions streamed give the same text", text == whole.choices[0].text)
    scored = client.completions.create(**plain, logprobs=3, echo=True)
    server.count(scored.usage)
    p = scored.choices[0].logprobs
    check("openai: logprobs with echo", p.token_logprobs[0] is None and len(p.tokens) == scored.usage.total_tokens
          and all(x <= 0 for x in p.token_logprobs[1:]) and "".join(p.tokens) == scored.choices[0].text)
    many = client.completions.create(**{**plain, "temperature": 1, "n": 3, "stop": ["."], "logit_bias": {"5": -100}})
    server.count(many.usage)
    check("openai: n, stop, logit_bias", len({c.text for c in many.choices}) > 1
          and not any("." in c.text for c in many.choices), [c.text for c in many.choices])
    return name


def chat(server, name):
    client = server.client()
    messages = [{"role": "user", "content": [{"type": "text", "text": "Tom had a red kite. Where is Tom?"}]}]
    said = client.chat.completions.create(model=name, messages=messages, max_completion_tokens=12, temperature=0,
                                          logprobs=True, top_logprobs=2)
    server.count(said.usage)
    choice = said.choices[0]
    check("openai: chat, content in parts, top_logprobs", choice.message.role == "assistant"
          and len(choice.logprobs.content[0].top_logprobs) == 2, choice.message.content)
    text = ""
    for event in client.chat.completions.create(model=name, messages=messages, max_completion_tokens=12, temperature=0,
                                                stream=True, stream_options={"include_usage": True}):
        text += "".join(c.delta.content or "" for c in event.choices)
        if event.usage:
            server.count(event.usage)
    check("openai: chat streamed gives the same text", text == choice.message.content)


def errors(server, name):
    client = server.client()

    def refused(kind, param, **asked):
        try:
            client.completions.create(**{"model": name, "prompt": "a", **asked})
        except kind as e:
            return e.param == param and bool(e.body["message"])
        return False
    check("openai: BadRequestError names the field", refused(openai.BadRequestError, "temperature", temperature=-1)
          and refused(openai.BadRequestError, "prompt", prompt="a " * 100000)
          and refused(openai.BadRequestError, "response_format", extra_body={"response_format": {"type": "json_object"}}))
    check("openai: NotFoundError for another model", refused(openai.NotFoundError, "model", model="another"))


def tools(server):
    client = server.client()
    name = client.models.list().data[0].id
    asked = dict(model=name, messages=[{"role": "user", "content": QUESTION}], tools=[TOOL], temperature=0, max_tokens=100)
    said = client.chat.completions.create(**asked)
    server.count(said.usage)
    calls = said.choices[0].message.tool_calls or []
    check("openai: a tool is called", len(calls) == 1 and said.choices[0].finish_reason == "tool_calls"
          and calls[0].function.name == "weather" and json.loads(calls[0].function.arguments) == {"city": "Oslo"},
          said.choices[0])
    called, arguments = "", ""
    for event in client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True}):
        for c in event.choices:
            for call in c.delta.tool_calls or []:
                called += call.function.name or ""
                arguments += call.function.arguments or ""
        if event.usage:
            server.count(event.usage)
    check("openai: a tool is called in a stream", called == "weather" and json.loads(arguments) == {"city": "Oslo"})


def embeddings(server):
    client = server.client()
    name = client.models.list().data[0].id
    asked = ["One sunny day", "Tom had a kite", "One sunny day"]
    got = [d.embedding for d in client.embeddings.create(model=name, input=asked).data]  # it asks for base64
    plain = [d.embedding for d in client.embeddings.create(model=name, input=asked, encoding_format="float").data]
    check("openai: embeddings, base64 and float alike", got[0] == got[2] != got[1]
          and all(math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-9) for x, y in zip(got, plain) for a, b in zip(x, y)),
          f"{len(got)} of {len(got[0])} numbers")


def keys(hone, model, folder):
    path = folder / "keys"
    path.write_text("right\n")
    server = Server(hone, model, "--keys", str(path))
    try:
        server.client("wrong").models.list()
        refused = False
    except openai.AuthenticationError:
        refused = True
    check("openai: AuthenticationError for a wrong key, none for the right one, /metrics and /health need none",
          refused and server.client("right").models.list().data and server.get("/metrics") and server.get("/health"))
    server.end()


def curl(server, name):
    def ask(path, body=None):
        words = ["curl", "-sS", "--fail-with-body", server.url + path]
        if body is not None:
            words += ["-H", "Content-Type: application/json", "-d", json.dumps(body)]
        return subprocess.run(words, check=True, capture_output=True, text=True).stdout
    ids = json.loads(ask("/tokenize", {"prompt": "Tom had a kite", "add_special_tokens": False}))["tokens"]
    check("curl: /tokenize and /detokenize", json.loads(ask("/detokenize", {"tokens": ids}))["prompt"] == "Tom had a kite")
    check("curl: /tokenizer_info", {"eos_token", "bos_token", "pad_token", "chat_template"}
          <= set(json.loads(ask("/tokenizer_info"))))
    check("curl: /health, /ready, the page", "ok" in ask("/health") and "ok" in ask("/ready") and "<title>Hone" in ask("/"))
    stream = ask("/v1/completions", {"model": name, "prompt": ids, "max_tokens": 3, "ignore_eos": True, "stream": True,
                                     "stream_options": {"include_usage": True}})
    events = [line[6:] for line in stream.splitlines() if line.startswith("data: ")]
    server.count(argparse.Namespace(**json.loads(events[-2])["usage"]))
    check("curl: a stream of server-sent events", events[-1] == "[DONE]" and len(events) >= 3)


def totals(server):
    seen = [server.metric(n) for n in ("prompt_tokens_total", "generation_tokens_total", "request_success_total")]
    check("/metrics: counters equal the client's totals", seen == [server.asked, server.drawn, server.ended],
          f"{seen[0]:.0f} tokens asked, {seen[1]:.0f} drawn, {seen[2]:.0f} ended; "
          f"the client counts {server.asked}, {server.drawn}, {server.ended}")
    try:
        done = subprocess.run(["promtool", "check", "metrics"], input=server.get("/metrics"), text=True,
                              capture_output=True)
    except FileNotFoundError:
        print("skip  promtool is not installed (Debian: prometheus)")
        return
    ours = [line for line in (done.stdout + done.stderr).splitlines() if "should not contain ':'" not in line
            and line != 'vllm:iteration_tokens_total non-counter metrics should not have "_total" suffix']
    check("promtool: nothing but what vLLM's own names bring (a colon, a histogram ending in _total)",
          not ours and done.returncode in (0, 3), ours or "")


def harness(args, server, name):
    folder = args.folder / "lm_eval"
    folder.mkdir(exist_ok=True)
    path = pathlib.Path(args.questions).resolve()
    (folder / "stories.yaml").write_text(
        f"task: stories\ndataset_path: json\ndataset_kwargs:\n  data_files:\n    test: {path}\ntest_split: test\n"
        "output_type: multiple_choice\ndoc_to_text: \"{{context}}\\n{{question}}\"\ndoc_to_choice: \"{{choices}}\"\n"
        "doc_to_target: \"{{answer}}\"\nmetric_list:\n  - metric: acc\n")
    env = {**os.environ, "HF_DATASETS_OFFLINE": "1", "HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "home")}
    words = [sys.executable, "-m", "lm_eval", "--model", "local-completions", "--model_args",
             f"model={name},base_url={server.url}/v1/completions,tokenizer_backend=remote,num_concurrent=4", "--batch_size", "16",
             "--tasks", "stories", "--include_path", str(folder), "--output_path", str(folder / "out")]
    done = subprocess.run(words, env=env, capture_output=True, text=True)
    check("lm_eval --model local-completions runs", done.returncode == 0, "" if done.returncode == 0 else done.stderr[-2000:])
    newest = max((folder / "out").rglob("results_*.json"), key=lambda p: p.stat().st_mtime)
    theirs = json.loads(newest.read_text())["results"]["stories"]["acc,none"]
    ours = json.loads(subprocess.run([args.hone, "eval", "choice", args.model, args.questions,
                                      "--json"], check=True, capture_output=True, text=True).stdout)
    check("lm_eval: the score of hone eval choice, clearly above chance",
          abs(theirs - ours["accuracy"]) < 1e-9 and ours["accuracy"] > ours["chance"] + 8 * ours["accuracy_error"],
          f"{theirs:.4f}, {ours['accuracy']:.4f}, chance {ours['chance']:.4f}, {ours['questions']} questions")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("hone", "model", "questions", "caller"):
        parser.add_argument(name)
    parser.add_argument("--folder", type=pathlib.Path, required=True)
    args = parser.parse_args()
    server = Server(args.hone, args.model)
    name = completions(server)
    chat(server, name)
    errors(server, name)
    curl(server, name)
    totals(server)
    harness(args, server, name)
    server.end()
    server = Server(args.hone, args.caller)
    tools(server)
    totals(server)
    server.end()
    server = Server(args.hone, args.model, "--embed")
    embeddings(server)
    server.end()
    keys(args.hone, args.model, args.folder)


main()
