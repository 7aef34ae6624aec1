"""Renders a chat template exactly as Hugging Face transformers does. Runs as a child process of Vinci.

Standard input holds one JSON object: template, messages, tools, add_generation_prompt, arguments (further template
variables, special tokens among them), and the limits cpu_seconds and memory_bytes. Standard output gets one JSON object:
{"text": ...} or {"error": message, "line": line in the template or 0} or {"missing": module}.
"""

import json
import resource
import sys


def limit(request):
    """A template is code from a stranger: it gets no time to spend, no memory to fill and no file to write."""
    seconds, memory = request["cpu_seconds"], request["memory_bytes"]
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def make_environment():
    import jinja2
    from jinja2.ext import Extension, loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        """{% generation %}...{% endgeneration %} marks what the assistant wrote; for the text it means nothing."""

        tags = {"generation"}

        def parse(self, parser):
            line = next(parser.stream).lineno
            body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
            return jinja2.nodes.CallBlock(self.call_method("_pass_through"), [], [], body).set_lineno(line)

        def _pass_through(self, caller):
            return caller()

    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        # Jinja's own filter would escape HTML.
        return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    def strftime_now(format):
        from datetime import datetime

        return datetime.now().strftime(format)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols]
    )
    environment.filters["tojson"] = tojson
    environment.globals["raise_exception"] = raise_exception
    environment.globals["strftime_now"] = strftime_now
    return environment


def line_of(error):
    """The line of the template at which `error` arose; Jinja rewrites tracebacks to name it."""
    if getattr(error, "lineno", None):
        return error.lineno
    line, traceback = 0, error.__traceback__
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == "<template>":
            line = traceback.tb_lineno
        traceback = traceback.tb_next
    return line


def render(request):
    try:
        environment = make_environment()
    except ModuleNotFoundError as error:
        return {"missing": error.name}
    try:
        template = environment.from_string(request["template"])
        text = template.render(
            messages=request["messages"],
            tools=request["tools"],
            documents=None,
            add_generation_prompt=request["add_generation_prompt"],
            **request["arguments"],
        )
    except MemoryError:
        return {"error": f"needs more than {request['memory_bytes'] >> 20} MiB of memory", "line": 0}
    except RecursionError as error:
        return {"error": "recurses too deeply", "line": line_of(error)}
    except Exception as error:
        kind = type(error).__name__
        # str() of a syntax error would repeat the place and the source.
        message = getattr(error, "message", None) or str(error)
        if kind != "TemplateError":  # which is raise_exception's: the template's own words
            message = f"{kind}: {message}"
        return {"error": message, "line": line_of(error)}
    return {"text": text}


def main():
    request = json.loads(sys.stdin.buffer.read())
    limit(request)
    # A lone surrogate, which a template can make, has no UTF-8 form.
    reply = json.dumps(render(request), ensure_ascii=False).encode("utf-8", "replace")
    sys.stdout.buffer.write(reply)


main()
