"""A node's JSON-RPC: waits where the node limits requests, repeats reads over broken connections, and says what is wrong.

The rules are those of the Rust client, ``verifier-contract/client/src/rpc.rs``.
"""

from __future__ import annotations

import json
import os
import re
import ssl
import sys
import time
from base64 import b64encode
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, Iterator, cast
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit

import requests
from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from requests.adapters import HTTPAdapter
from urllib3.util.ssl_ import create_urllib3_context
from web3 import HTTPProvider
from web3.types import RPCEndpoint, RPCResponse

from . import errors
from ._refusal import ABOUT_REQUESTS, ABOUT_RESULTS, refusal, says

REQUEST_TIMEOUT = 20.0
"""Time limit for one answer, seconds."""
PATIENCE = 60.0
"""Total time to wait for a node that limits requests, seconds."""
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 8.0
"""Pauses, in seconds, if a node limits requests without saying how long to wait; they double."""
READ_RETRIES = 2
"""How often a read is repeated when the connection breaks."""
QUOTED = 80
"""Maximum number of characters of an unexpected answer that an error quotes."""
SHORTEST_PART = 8
"""Minimum length of a part of a URL that is not shown by itself; shorter ones are words like ``v3`` or ``mainnet``."""
ROOTS = "TRIBUTE_RPC_CA"
"""Environment variable that names a PEM file of further certificate authorities."""
SEND = "eth_sendRawTransaction"
_REVERTED = (3, -32015)
"""Codes of a revert: geth's, and Nethermind's and OpenEthereum's."""
_ERROR_STRING = "0x08c379a0"
"""Selector of Solidity's `Error(string)`."""
_MIDWAY = (requests.exceptions.ChunkedEncodingError, requests.exceptions.ContentDecodingError)
"""What requests raises if an answer breaks midway."""
_KEY_WANTED = ("unauthori", "authenticat", "forbidden", "api key", "apikey", "api-key", "project id", "access denied")


class Unusable(errors.ChainUnavailable):
    """The node, or a gateway before it, answered at once, but not with what was asked for; not a limit on requests, nor a revert."""

    def __init__(self, message: str, words: str | None = None):
        super().__init__(message)
        self.words = self.message if words is None else words
        """The node's own message, if it has one."""


class Refused(Unusable):
    """It answered that it does not do this."""


class Node(HTTPProvider):
    """The JSON-RPC of a node.

    Every request raises :class:`errors.ChainUnavailable`, with what is wrong, if the node has no answer to it. Only reverts of contracts
    are left to web3.py, which raises its own exceptions for them.

    Raises
    ------
    errors.ChainUnavailable
        `url` is no URL of HTTP with a host. The message does not show it, because it may hold a secret.
    """

    def __init__(self, url: str):
        url = url.strip()
        parts = _parts(url)
        super().__init__(url)
        self._url, self._is_local = url, _is_local(parts)
        self._session = _Session(self._is_local)
        self._quiet_until = 0.0
        self.shown = _shown(parts)
        """The node's URL without the parts that may be secret."""
        self._secrets = _secrets(parts)

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        body = self.encode_rpc_request(method, params)
        patience = time.monotonic() + PATIENCE
        broken, pause = 0, FIRST_PAUSE
        while True:
            time.sleep(max(0.0, self._quiet_until - time.monotonic()))
            try:
                answered = self._post(body)
            except requests.Timeout:
                raise errors.ChainUnavailable(f"{self.shown} did not answer {method} within {REQUEST_TIMEOUT:.0f} s") from None
            except (requests.RequestException, ValueError) as failed:  # a ValueError is about where a redirect leads
                refused = "NewConnectionError" in repr(failed) or not isinstance(failed, (requests.ConnectionError, *_MIDWAY))
                if method == SEND or refused or broken == READ_RETRIES:
                    raise errors.ChainUnavailable(self._unreached(method, failed)) from None
                broken += 1
                continue
            if answered.is_redirect:
                raise errors.ChainUnavailable(f"{self._redirects(method)}: give the URL that it redirects to, with its path")
            answer = _Answer(answered, self._secrets)
            if answer.limits():
                wait = answer.told_pause()
                until = time.monotonic() + (pause if wait is None else wait)
                if until > patience:
                    asks = "" if wait is None else f"; the node asks for a pause of {wait:.0f} s"
                    raise errors.ChainUnavailable(
                        f"{self.shown} limits requests and did not let {method} pass within {PATIENCE:.0f} s{asks} ({answer.words()}): try "
                        "again later, or use a node that allows more requests"
                    )
                pause = min(2 * pause, LONGEST_PAUSE)
                self._quiet_until = max(self._quiet_until, until)
            elif answer.is_broken() and method != SEND and broken < READ_RETRIES:
                broken += 1
                time.sleep(0.05 * broken)
            else:
                return self._explained(str(method), answer)

    def _post(self, body: bytes) -> requests.Response:
        """The answer to a request. The time limit is that of the whole answer, even one that arrives in drips."""
        done: SimpleQueue[requests.Response | Exception] = SimpleQueue()
        session = self._session
        session.led_to = ""

        def post() -> None:
            try:
                done.put(session.post(self._url, data=body, headers={"Content-Type": "application/json"}, timeout=REQUEST_TIMEOUT))
            except Exception as failed:
                done.put(failed)

        Thread(target=post, daemon=True).start()
        try:
            found = done.get(timeout=REQUEST_TIMEOUT)
        except Empty:
            self._session = _Session(self._is_local)  # the old one still waits
            raise requests.Timeout from None
        if isinstance(found, Exception):
            raise found
        return found

    def _unreached(self, method: str, failed: Exception) -> str:
        """Why there is no whole answer."""
        # what requests says of a URL that it cannot use quotes it
        cause = "it is no usable URL" if isinstance(failed, ValueError) else _hidden(_root(failed), self._secrets)
        if isinstance(failed, _MIDWAY):
            return f"{self.shown} gave a broken answer to {method}: {cause}"
        redirects, advice = self._redirects(method) if self._session.led_to else "", _tls_advice(failed)
        if advice:
            return f"{redirects or f'no https connection to {self.shown}'} ({cause}): {advice}"
        return f"{f'{redirects}, where no node answers' if redirects else f'no node answers at {self.shown}'}: {cause}"

    def _redirects(self, method: str) -> str:
        """That a request was redirected, and where to."""
        try:
            place = _shown(urlsplit(urljoin(self._url, self._session.led_to)))
        except ValueError:
            place = "what is no URL"
        return f"{self.shown} redirects {method} to {_hidden(place, self._secrets)}"

    def ask(self, method: str, params: list[Any]) -> Any:
        """The result of a request, as the node gives it."""
        return self.make_request(RPCEndpoint(method), params)["result"]

    def ask_number(self, method: str, params: list[Any]) -> int:
        """The same of a request whose result is a number."""
        return self.number(method, self.ask(method, params))

    def number(self, method: str, given: Any) -> int:
        """A number in an answer to `method`."""
        if not isinstance(given, str) or not re.fullmatch("0[xX][0-9a-fA-F]+", given):
            raise self.unusable(method, given, "a number in hex")
        return int(given, 16)

    def unusable(self, method: str, given: Any, expected: str) -> Unusable:
        """The error for an answer to `method` that is not what belongs there."""
        shown = _hidden(repr(given), self._secrets)[:QUOTED]
        return Unusable(f"{self.shown} answers {method} with {shown} where {expected} belongs: use another node")

    def _explained(self, method: str, answer: _Answer) -> RPCResponse:
        """The answer if it is a result or a revert; raises what is wrong otherwise."""
        found: Any = answer.content
        if answer.error is None and answer.ok and isinstance(found, dict) and "result" in found:
            result = found["result"]
            if method == "eth_estimateGas":
                self.number(method, result)
            if method == "eth_call" and not is_hex(result):
                raise self.unusable(method, result, "data in hex")
            return _answer("result", result)
        if method in ("eth_call", "eth_estimateGas") and answer.is_revert():
            return _answer("error", answer.revert())
        said = answer.words()
        if answer.wants_key():
            raise Refused(f"{self.shown} wants a key or a login for {method} ({said}): check the key in the node's URL", said)
        if answer.error is not None:
            code = answer.error.get("code")
            raise Refused(f"{self.shown} refused {method}: {said}" + (f" (code {code})" if code is not None else ""), said)
        title = answer.title() if answer.is_page() else ""
        # a page is told as one, unless it says the same
        if answer.status == 503 and (not answer.is_page() or "navailable" in title):
            problem = f"{self.shown} is unavailable and did not answer {method} ({title or said}): try again later, or use another node"
        elif answer.is_page():
            titled = f" titled {title!r}" if title else ""
            problem = (
                f"{self.shown} answers {method} with a web page{titled}: this is no JSON-RPC address, or something in front of it asks for a "
                "browser"
            )
        else:
            problem = f"{self.shown} gives no answer of JSON-RPC to {method}: {said}"
        raise (Refused if answer.is_refusal() else Unusable)(problem, said)


def _answer(field: str, content: Any) -> RPCResponse:
    """An answer in the form that web3.py wants: it refuses what many nodes write around a result."""
    return cast(RPCResponse, {"jsonrpc": "2.0", "id": 0, field: content})


def is_hex(found: Any) -> bool:
    """Whether it is data in hex, as JSON-RPC writes it."""
    return isinstance(found, str) and re.fullmatch("0[xX]([0-9a-fA-F]{2})*", found) is not None


def listed(found: Any) -> list[Any]:
    """A list in a node's answer; none if it is something else."""
    return found if isinstance(found, list) else []


def _seconds(told: str) -> float:
    """The pause in a ``Retry-After``: a number, or the time until a date; 0 if it is neither, or past."""
    if re.fullmatch(r"\d+(\.\d*)?", told, re.ASCII):
        return float(told)
    try:
        return max(0.0, parsedate_to_datetime(told).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return 0.0


class _Rooted(HTTPAdapter):
    """Connections by TLS that also trust the certificates in a PEM file; raises ChainUnavailable if there are none."""

    def __init__(self, path: str):
        self._context = create_urllib3_context()
        try:
            self._context.load_verify_locations(path)
        except ssl.SSLError:
            raise errors.ChainUnavailable(f"{ROOTS} names {path}, which has no certificate in it: expected PEM") from None
        except OSError as failed:
            raise errors.ChainUnavailable(f"{ROOTS} names {path}, which cannot be read: {failed.strerror}") from None
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self._context, **kwargs)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        return super().proxy_manager_for(*args, ssl_context=self._context, **kwargs)


def _tls_advice(failed: Exception) -> str:
    """What to do about a failed connection by TLS; empty if it failed otherwise, or nobody knows why."""
    if not isinstance(failed, requests.exceptions.SSLError):
        return ""
    cause = _root(failed)
    if "CERTIFICATE_VERIFY_FAILED" not in cause:
        no_tls = any(words in cause for words in ("WRONG_VERSION", "RECORD_LAYER", "PACKET_LENGTH"))
        return "if the node speaks plain HTTP at this port, give an http:// URL" if no_tls else ""
    if "issuer" in cause or "self-signed" in cause or "self signed" in cause:
        return f"if the node is yours, name the PEM file of its certificate authority in {ROOTS}"
    return "the node needs a certificate that is valid now and for this host"


class _Session(requests.Session):
    """The connections to a node. Follows only redirects that leave a request as it is: others turn it into a GET, which no node
    answers."""

    def __init__(self, is_local: bool):
        super().__init__()
        self.led_to = ""
        """Where the last request was redirected to."""
        roots = os.environ.get(ROOTS)
        if roots:
            self.mount("https://", _Rooted(roots))
        if is_local:  # a proxy set in the environment cannot reach a local chain
            self.verify = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True
            self.trust_env = False

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        target = super().get_redirect_target(resp)
        self.led_to = target or self.led_to
        return target if resp.status_code in (307, 308) else None


class _Answer:
    """An HTTP answer, and what is in it. Its texts do not show `secrets`: servers quote the path that they were asked for."""

    def __init__(self, answered: requests.Response, secrets: list[str]):
        self.status, self.ok, self._secrets = answered.status_code, answered.ok, secrets
        self.body = _hidden(answered.content.decode("utf-8", "replace"), secrets)
        told = answered.headers.get("Retry-After")
        self.retry_after = None if told is None else _seconds(told.strip())
        """0 also for what is no pause."""
        try:
            self.content: Any = json.loads(answered.content)
        except (ValueError, RecursionError):
            self.content = None
        found = self.content.get("error") if isinstance(self.content, dict) else None
        if isinstance(found, str) and answered.ok:
            found = {"message": found}
        self.error: dict[str, Any] | None = found if isinstance(found, dict) else None

    def words(self) -> str:
        """The node's message."""
        if self.error is not None:
            return _hidden(str(self.error.get("message", "")), self._secrets)
        start = self.body.strip()[:QUOTED]
        return f"HTTP status {self.status}" + (f"; it begins with {start!r}" if start else "")

    def limits(self) -> bool:
        """Whether the node limits requests, so that the same one may pass later."""
        if self.status == 429 or (self.status == 503 and self.retry_after is not None):
            return True
        if self.error is None:
            return False
        # a contract's own words: waiting does not help
        if self._says_revert():
            return False
        words = self.words().lower()
        # "query returned more than 10000 results" has the code of a limit, but waiting does not help
        if says(words, ABOUT_RESULTS):
            return False
        return self._code() in (429, -32005, -32007, -32029) or says(words, ABOUT_REQUESTS)

    def told_pause(self) -> float | None:
        """How long the node says to wait, seconds: in the header, or in the error's data (Infura). None if it says nothing, or less than
        FIRST_PAUSE."""
        told: Any = self.retry_after
        if told is None and self.error is not None:
            data = self.error.get("data")
            rate = data.get("rate") if isinstance(data, dict) else None
            told = rate.get("backoff_seconds") if isinstance(rate, dict) else None
        return float(min(told, sys.maxsize)) if isinstance(told, (int, float)) and told >= FIRST_PAUSE else None

    def is_broken(self) -> bool:
        """Whether a gateway failed midway, which is worth a repetition."""
        return self.status in (502, 503, 504) if self.error is not None else self.status >= 500

    def is_refusal(self) -> bool:
        """Whether a gateway does not let the request pass, and would not later."""
        return 400 <= self.status < 500 and self.status != 408

    def is_revert(self) -> bool:
        """Whether a contract reverted: by the code, by the word, which nodes that return no data use, or by the data, unless the
        message says what else is wrong."""
        if self.error is None:
            return False
        told = self._code() in _REVERTED or self._returned() is not None
        return self._says_revert() or (told and refusal(self.words()) == "unclear")

    def _says_revert(self) -> bool:
        """Whether a revert is clear from the code, or from the word."""
        return self._code() == 3 or "revert" in self.words().lower()

    def revert(self) -> dict[str, Any]:
        """The error of a revert in geth's form, which web3.py reads."""
        words, returned = self.words(), self._returned()
        if returned is None:
            return {"code": 3, "message": words}
        if returned.startswith(_ERROR_STRING):
            try:
                (reason,) = decode(["string"], bytes.fromhex(returned[10:]))
                words = f"execution reverted: {reason}"
            except (DecodingError, UnicodeDecodeError):
                pass
        return {"code": 3, "message": words, "data": returned}

    def _returned(self) -> str | None:
        """The contract's error in hex, a selector and words of 32 bytes, wherever in the data it is."""
        assert self.error is not None
        for text in _texts(self.error.get("data")):
            found = re.fullmatch("(?:Reverted )?(?:0x)?([0-9a-fA-F]{8}(?:[0-9a-fA-F]{64})*)", text)
            if found:
                return "0x" + found[1].lower()
        return None

    def _code(self) -> int | None:
        """The error's code, which some gateways write as text."""
        assert self.error is not None
        try:
            return int(self.error["code"])
        except (KeyError, TypeError, ValueError, OverflowError):
            return None

    def wants_key(self) -> bool:
        if self.status in (401, 403):
            return self.error is not None or not self.is_page()
        return self.error is not None and says(self.words().lower(), _KEY_WANTED)

    def title(self) -> str:
        """That of a web page."""
        title = re.search(r"<title>(.*?)</title>", self.body, re.IGNORECASE | re.DOTALL)
        return title[1].strip() if title else ""

    def is_page(self) -> bool:
        return self.body.lstrip().lower().startswith(("<!doctype html", "<html"))


def _parts(url: str) -> SplitResult:
    """The parts of a node's URL; raises ChainUnavailable, without quoting it, if it cannot be one."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        requests.Request("POST", url).prepare()
    except (ValueError, requests.RequestException):
        usable = False
    if not usable:
        raise errors.ChainUnavailable("the node's URL cannot be used: expected http://… or https://…, with a host and a valid port")
    return parts


def _is_local(parts: SplitResult) -> bool:
    try:
        return parts.hostname == "localhost" or ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False


def _shown(parts: SplitResult) -> str:
    """A URL without the parts that may be secret."""
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port else "")


def _secrets(parts: SplitResult) -> list[str]:
    """The parts of a URL that may be secret, as servers quote them; longer ones first."""
    user, password = (unquote(part or "") for part in (parts.username, parts.password))
    login = b64encode(f"{user}:{password}".encode()).decode().rstrip("=") if parts.username or parts.password else ""
    values = [pair.partition("=")[2] for pair in parts.query.split("&")]
    single = [part for part in (*parts.path.split("/"), *values, parts.username or "") if len(unquote(part)) >= SHORTEST_PART]
    written = {part for part in (parts.path.rstrip("/"), parts.query, parts.password, login, *single) if part}
    decoded = set(map(unquote, written))
    return sorted(written | decoded | {quote(part, safe="") for part in decoded}, key=len, reverse=True)


def _hidden(text: str, secrets: list[str]) -> str:
    return re.sub("|".join(map(re.escape, secrets)), "…", text, flags=re.IGNORECASE) if secrets else text


def _texts(value: Any) -> Iterator[str]:
    """The texts in JSON at any depth."""
    waiting = [value]
    while waiting:
        found = waiting.pop()
        if isinstance(found, str):
            yield found
        elif isinstance(found, (dict, list)):
            waiting += reversed(list(found.values()) if isinstance(found, dict) else found)


def _root(error: BaseException) -> str:
    """The innermost cause, such as ``Connection refused``, without the layers around it."""
    inner = error.__cause__ or error.__context__
    while inner is not None:
        error, inner = inner, inner.__cause__ or inner.__context__
    return str(error)
