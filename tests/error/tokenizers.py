"""Mistakes in tokenizers, chat templates and messages: one error line that names the file, the place and what is wrong."""
import json
import pathlib
import shutil
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from harness import DATA, MODELS, VinciTest  # noqa: E402

MODEL = MODELS / "austen-qwen3"
MESSAGES = [{"role": "user", "content": "Good morning"}]


class Tokenizers(VinciTest):
    def folder(self, *names):
        """A folder with the named files of the model and nothing else."""
        target = pathlib.Path(tempfile.mkdtemp(dir=self.scratch))
        for name in names:
            shutil.copy(MODEL / name, target / name)
        return target

    def changed(self, change, name="tokenizer.json", beside=()):
        """A folder in which `change` has edited the JSON of the file `name`."""
        folder = self.folder(name, *beside)
        content = json.loads((folder / name).read_text())
        change(content)
        (folder / name).write_text(json.dumps(content, indent=1))
        return folder

    def refused(self, folder, *words, place="tokenizer.json:"):
        result = self.expect_error(("tokenize", folder, "--text", "It is"), 1, *words)
        self.assertIn(f"{folder}/{place}" if place else str(folder), result.stderr)
        self.assertEqual(result.stdout, "")

    def refused_at(self, folder, *words):
        """As above, and the message has a line and a column."""
        self.refused(folder, *words)
        result = self.expect_error(("tokenize", folder, "--text", "It is"), 1)
        self.assertRegex(result.stderr, r"(?m)^\S+tokenizer\.json:[0-9]+:[0-9]+: error: ")

    # --- files

    def test_the_unchanged_files_are_fine(self):
        ids = json.loads(self.succeed("tokenize", self.folder("tokenizer.json"), "--text", "It is").stdout)["ids"]
        older = self.folder("vocab.json", "merges.txt", "tokenizer_config.json")
        self.assertEqual(json.loads(self.succeed("tokenize", older, "--text", "It is").stdout)["ids"], ids)

    def test_no_tokenizer(self):
        self.refused(self.folder(), "tokenizer.json", "vocab.json", "merges.txt", place="")

    def test_vocabulary_without_merges(self):
        self.refused(self.folder("vocab.json"), "merges.txt", place="")

    def test_merges_without_vocabulary(self):
        self.refused(self.folder("merges.txt"), "vocab.json", place="")

    def test_a_directory_in_place_of_the_tokenizer(self):
        folder = self.folder()
        (folder / "tokenizer.json").mkdir()
        self.refused(folder, "directory")

    def test_broken_json(self):
        for text, words in ((b"", ":1:1: error"), (b"{\n \"version\": \"1.0\",,\n}", ":2:19: error"),
                            (b"[" * 100000, "deeper than"), (b'{"model":' * 100000, "deeper than"),
                            (b'{"model": "\xff"}', ":1:"), (b"[]", ":1:1: error"),
                            (b'{"version": "1.0", "version": "1.0"}', "version")):
            with self.subTest(text[:40]):
                folder = self.folder()
                (folder / "tokenizer.json").write_bytes(text)
                self.refused(folder, words)

    def test_a_run_says_the_same(self):
        folder = self.copy_model(DATA / "llama-plain")
        (folder / "tokenizer.json").write_text('{\n "version": 2\n}')
        for command in (("tokenize", folder, "--text", "a"), ("run", folder, "--prompt", "a", "--no-cache")):
            self.expect_error(command, 1, "tokenizer.json:2:13: error: ", "version", "2")

    def test_a_run_with_text_needs_a_tokenizer(self):
        self.expect_error(("run", DATA / "llama-plain", "--prompt", "a"), 1, "llama-plain", "tokenizer.json")

    # --- tokenizer.json

    def test_what_is_not_supported_is_named(self):
        def set_path(*path):
            *keys, last, value = path

            def change(content):
                for key in keys:
                    content = content[key]
                content[last] = value
            return change

        cases = [
            (set_path("version", "3.0"), ["version", '"3.0"', '"1.0"']),
            (set_path("model", "type", "WordPiece"), ["model.type", '"WordPiece"', '"BPE"']),
            (set_path("model", "type", "Unigram"), ["model.type", '"Unigram"', '"BPE"']),
            (set_path("model", "dropout", 0.1), ["model.dropout", "0.1", "0 or null"]),
            (set_path("model", "continuing_subword_prefix", "##"), ["continuing_subword_prefix", '"##"', "null"]),
            (set_path("model", "vocab", []), ["model.vocab", "an object"]),
            (set_path("model", "vocab", {}), ["model.vocab", "without tokens"]),
            (set_path("model", "merges", "all"), ["model.merges", '"all"', "an array"]),
            (set_path("normalizer", {"type": "Lowercase"}), ["normalizer.type", '"Lowercase"', '"NFC" or "Sequence"']),
            (set_path("pre_tokenizer", {"type": "Whitespace"}), ["pre_tokenizer.type", '"Whitespace"', '"ByteLevel"']),
            (set_path("pre_tokenizer", None), ["pre_tokenizer", "ByteLevel"]),
            (set_path("pre_tokenizer", "pretokenizers", 0, "behavior", "Removed"), ["behavior", '"Removed"', '"Isolated"']),
            (set_path("pre_tokenizer", "pretokenizers", 0, "pattern", {"Regex": "(unclosed"}), ["(unclosed"]),
            (set_path("decoder", {"type": "WordPiece"}), ["decoder", "ByteLevel"]),
            (set_path("post_processor", {"type": "BertProcessing"}), ["post_processor.type", '"BertProcessing"']),
            (set_path("truncation", {"max_length": 512}), ["truncation", "null"]),
        ]
        for change, words in cases:
            with self.subTest(words):
                self.refused_at(self.changed(change), *words)

    def test_missing_parts(self):
        for key in ("model", "pre_tokenizer", "decoder"):
            with self.subTest(key):
                self.refused_at(self.changed(lambda content: content.pop(key)), f'"{key}" is missing')

    def test_merges_with_unknown_tokens(self):
        self.refused_at(self.changed(lambda content: content["model"]["merges"].append(["qqq", "zzz"])), '"qqq"', "not in the vocabulary")
        self.refused_at(self.changed(lambda content: content["model"]["merges"].append(["q"])), "merge", "a pair of tokens")
        self.refused_at(self.changed(lambda content: content["model"]["merges"].append("one two three")), "one space")

    def test_illegal_and_repeated_ids(self):
        def number(value):
            return lambda content: content["model"]["vocab"].__setitem__("!", value)
        self.refused_at(self.changed(number(-1)), "token id", "-1")
        self.refused_at(self.changed(number(1 << 40)), "token id", str(1 << 40))
        self.refused_at(self.changed(number("zero")), "token id", '"zero" (a string)')
        self.refused_at(self.changed(number(1)), "both given the id 1", '"!"')

    def test_two_added_tokens_on_one_id(self):
        def change(content):
            content["added_tokens"][1]["id"] = content["added_tokens"][0]["id"]
        self.refused_at(self.changed(change), '"<|endoftext|>"', '"<|im_start|>"', "both given the id 4093")

    def test_an_added_token_on_a_token_of_the_vocabulary(self):
        self.refused_at(self.changed(lambda content: content["added_tokens"][0].__setitem__("id", 0)), "<|endoftext|>", "id 0")

    # --- vocab.json with merges.txt

    def test_older_files(self):
        folder = self.folder("vocab.json", "merges.txt")
        merges = folder / "merges.txt"
        good = merges.read_text()
        lines = good.count("\n")
        merges.write_text(good + "qqqq zzzz\n")
        self.refused(folder, "qqqq", "not in the vocabulary", place=f"merges.txt:{lines + 1}: error: ")
        merges.write_text("one two three\n")
        self.refused(folder, "one two three", "one space", place="merges.txt:1: error: ")
        merges.write_text(good)
        (folder / "vocab.json").write_text('{"a": 0, "b": 0}')
        self.refused(folder, '"a"', '"b"', "both given the id 0", place="vocab.json:1:")

    # --- tokenizer_config.json

    def config(self, change):
        return self.changed(change, "tokenizer_config.json", beside=("tokenizer.json",))

    def test_two_roles_on_one_token(self):
        folder = self.config(lambda content: content.update(extra_special_tokens={"image_token": "<|im_end|>", "audio_token": "<|im_end|>"}))
        self.refused(folder, "image_token", "audio_token", '"<|im_end|>"', place="tokenizer_config.json:")

    def test_an_unknown_end_token(self):
        folder = self.config(lambda content: content.update(eos_token="<|the_end|>"))
        self.refused(folder, "eos_token", '"<|the_end|>"', "not in the vocabulary", place="tokenizer_config.json:")

    def test_two_added_tokens_of_the_config_on_one_id(self):
        folder = self.changed(lambda content: content.update(added_tokens_decoder={"4093": {"content": "<|a|>"}, "4094": {"content": "<|a|>"}}),
                              "tokenizer_config.json", beside=("vocab.json", "merges.txt"))
        self.refused(folder, '"<|a|>"', "4093", "4094", place="tokenizer_config.json:")

    def test_wrong_keys_of_added_tokens(self):
        for key in ("-1", "first", str(1 << 40)):
            with self.subTest(key):
                self.refused(self.config(lambda content: content.update(added_tokens_decoder={key: {"content": "<|a|>"}})),
                             key, "token id", place="tokenizer_config.json:")

    def test_a_class_that_needs_more(self):
        folder = self.changed(lambda content: content.update(tokenizer_class="LlamaTokenizer"), "tokenizer_config.json",
                              beside=("vocab.json", "merges.txt"))
        self.refused(folder, "LlamaTokenizer", "tokenizer.json", "Qwen2Tokenizer", place="tokenizer_config.json:")


class ChatTemplates(VinciTest):
    def folder(self, template=None):
        target = pathlib.Path(tempfile.mkdtemp(dir=self.scratch))
        shutil.copy(MODEL / "tokenizer.json", target / "tokenizer.json")
        if template is not None:
            (target / "chat_template.jinja").write_text(template)
        return target

    def messages(self, content):
        path = self.scratch / "messages.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    def refused(self, template, *words, messages=MESSAGES, options=()):
        folder = self.folder(template)
        self.expect_error(("tokenize", folder, "--messages", self.messages(messages), *options), 1, *words, timeout=60)

    def test_no_template(self):
        self.refused(None, "no chat template", "chat_template.jinja", "tokenizer_config.json")
        self.expect_error(("run", DATA / "llama-plain", "--chat", "Hello"), 1, "llama-plain", "no chat template")

    def test_syntax_error(self):
        self.refused("line one\n{% for message in messages %}\n{{ message.content }\n", "chat_template.jinja:3: error: ", "chat template")
        self.refused("{{ 1 | sparkle }}", "chat_template.jinja:1: error: ", "sparkle")

    def test_a_template_that_raises(self):
        self.refused("\n{{ raise_exception('roles must alternate') }}", "chat_template.jinja:2: error: ", "roles must alternate")
        self.refused("{{ messages[7].content }}", "chat_template.jinja:1: error: ", "chat template")
        self.refused("{{ 1 // 0 }}", "chat_template.jinja:1: error: ", "ZeroDivisionError")

    def test_a_template_that_reaches_out(self):
        self.refused("{{ ''.__class__.__mro__[1].__subclasses__() }}", "chat_template.jinja:1: error: ", "SecurityError")
        self.refused("{% include '/etc/passwd' %}", "chat_template.jinja:1: error: ")

    def test_limits(self):
        self.refused("{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}", "chat_template.jinja", "not rendered within")
        self.refused("{% set ns = namespace(text='ha') %}{% for i in range(60) %}{% set ns.text = ns.text + ns.text %}{% endfor %}{{ ns.text }}",
                     "chat_template.jinja", "memory")
        self.refused("{% for i in range(90000) %}{{ 'x' * 10000 }}{% endfor %}", "chat_template.jinja")
        self.refused("{% macro again() %}{{ again() }}{% endmacro %}{{ again() }}", "chat_template.jinja", "recurses too deeply")

    def test_a_template_in_the_config(self):
        folder = self.folder()
        (folder / "tokenizer_config.json").write_text('{\n "chat_template": "{{ oops"\n}')
        self.expect_error(("tokenize", folder, "--messages", self.messages(MESSAGES)), 1, "tokenizer_config.json:2:19: error: ", "line 1")
        (folder / "tokenizer_config.json").write_text('{\n "chat_template": 7\n}')
        self.expect_error(("tokenize", folder, "--messages", self.messages(MESSAGES)), 1, "tokenizer_config.json:2:19: error: ", "chat_template", "7")

    def test_messages_of_wrong_form(self):
        template = "{{ messages[0].content }}"
        for messages, words in (('"Hello"', ["messages must be a JSON array of objects, not string"]), ("7", ["messages", "not number"]),
                                ('{"role": "user"}', ["messages", "not object"]), ('["Hello"]', ["messages[0] must be a JSON object, not string"]),
                                ('[{"role": "user"}, null]', ["messages[1]", "not null"]), ("[{]", ["messages.json:1:3: error: ", "JSON"]),
                                ("", ["messages.json:1:1: error: "]), ("[" * 100000, ["messages.json:1:", "deeper than"])):
            with self.subTest(messages[:40]):
                self.refused(template, *words, messages=messages)

    def test_tools_of_wrong_form(self):
        tools = self.scratch / "tools.json"
        tools.write_text('{"name": "clock"}')
        self.refused("x", "tools must be a JSON array of objects, not object", options=("--tools", tools))

    def test_template_arguments_of_wrong_form(self):
        for arguments, words in (("[1]", ["template arguments must be a JSON object, not array"]), ("{", ["--template-args:1:", "JSON"]),
                                 ("true", ["template arguments", "not boolean"]), ('{"messages": []}', ['"messages"', "another name"])):
            with self.subTest(arguments):
                self.refused("x", *words, options=("--template-args", arguments))


if __name__ == "__main__":
    unittest.main()
