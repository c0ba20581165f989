"""Drives gemini-flux's own client against the server whose URL is the argument."""

import importlib.util
import pathlib
import sys

import requests

# gemini_flux/__init__.py imports Google's SDK, which its client doesn't need.
package = pathlib.Path(importlib.util.find_spec("gemini_flux").origin).parent
spec = importlib.util.spec_from_file_location("gemini_flux_client", package / "client.py")
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
client = module.GeminiFluxClient(sys.argv[1])


def refused(call):
    """Returns the response of a call that has to fail."""
    try:
        answer = call()
    except requests.HTTPError as error:
        return error.response
    raise AssertionError(f"not refused: {answer}")


answer = client.generate("Bonjour tout le monde", preferred_key=2)
assert set(answer) >= {"response", "key_used", "model_used", "tokens_used", "wait_applied", "retried"}, answer
assert (answer["key_used"], answer["model_used"], answer["retried"]) == (2, "gemini-2.5-pro", False), answer
assert answer["response"] and answer["tokens_used"] > 0 and answer["wait_applied"] == 0, answer

wait = refused(lambda: client.generate("encore une fois", preferred_key=2))
assert wait.status_code == 429, wait.text
assert 0 < int(wait.headers["Retry-After"]) <= 61, wait.headers
assert wait.headers["X-Fluxgate-Ticket"], wait.headers
assert wait.json()["error"]["status"] == "RESOURCE_EXHAUSTED", wait.text

assert client.set_mode("flash_only")["mode"] == "flash_only"
assert client.generate("vite")["model_used"] == "gemini-2.5-flash"
client.disable_key(1)
status = client.status()
assert [key["status"] for key in status["keys"]] == ["disabled", "healthy"], status
assert status["mode"] == "flash_only" and status["model_chain"][0] == "gemini-2.5-flash", status
assert status["keys"][1]["models"]["gemini-2.5-flash"]["remaining_today"] > 0, status
client.enable_key(1)
assert client.status()["keys"][0]["status"] == "healthy"
assert refused(lambda: client.disable_key(99)).status_code == 404
assert refused(lambda: client.set_mode("turbo")).status_code == 400

print("all as before")
