"""Who may ask, and what a browser may do with the answers: the page's only door.

Owns: the rules on Host, Origin, token and the headers of every answer. Does not know: routes, runs.

A page on the loopback interface can be reached by every web site that the user has open. Against that:
- Host must be a name that no stranger controls, or a rebound DNS name would make a strange site ours;
- Origin, which browsers send with what a strange site asks for, must be our own where there is one, and there must be
  one with every POST; a POST also needs `X-Packsmith: 1` and JSON, which a form of another site cannot send;
- a page that is reached from other machines demands a token, once in the URL and then as a cookie that scripts cannot
  read and other sites cannot send;
- what models and candidates wrote is only ever sent as JSON, and the page may run no script, style or connection but
  its own, nor be framed.
"""

from __future__ import annotations

import hmac
import html
import ipaddress
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from harness.page.errors import error_record

CSRF_HEADER = "x-packsmith"
_POLICY = (
    *("default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "img-src 'self' data:"),
    *("font-src 'self'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"),
    *("require-trusted-types-for 'script'", "trusted-types 'none'"),
)
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": "; ".join(_POLICY),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_LOOPBACK_NAMES = frozenset({"localhost", "localhost.localdomain", "ip6-localhost"})
_WRITING = ("POST", "PUT", "PATCH", "DELETE")


def is_loopback(host: str) -> bool:
    """Whether a name or an address is this machine's loopback interface."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() in _LOOPBACK_NAMES


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """What is let in. `token`: "" demands none. `names`: the host names, without port, that a request may be sent to
    beside those of the loopback interface; with `any_address`, an IP address as well, which no DNS name can rebind.
    """

    token: str = ""
    names: frozenset[str] = frozenset()
    any_address: bool = False
    cookie: str = "packsmith"
    readonly: bool = False

    def knows(self, host: str) -> bool:
        """Whether a Host header names us, with any port: a tunnel may have another one."""
        name = _host_name(host)
        if name is None:
            return False
        if is_loopback(name) or name.lower() in self.names:
            return True
        return self.any_address and _is_address(name)

    def fits(self, given: str) -> bool:
        return hmac.compare_digest(given.encode("utf-8", "replace"), self.token.encode())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Refusal:
    status: int
    expected: str
    found: str
    do: str = ""


class Guard:
    """ASGI middleware that lets in what the door allows, and puts the headers on every answer."""

    def __init__(self, app: ASGIApp, door: Door) -> None:
        self._app, self._door = app, door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        app = self._answer(scope) or self._app
        await app(scope, receive, guarded)

    def _answer(self, scope: Scope) -> Response | None:
        """What is answered at the door; None for a request that is let in."""
        headers = Headers(scope=scope)
        refusal = self._refused(scope["method"], headers)
        if refusal is not None:
            return _refused(refusal)
        if not self._door.token or self._has_token(headers):
            return None
        asked = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if scope["path"] == "/" and scope["method"] == "GET":
            return self._entered() if asked and self._door.fits(asked) else _locked()
        return _refused(_Refusal(status=401, expected="the token of this page", found="none or another", do=_HOW))

    def _refused(self, method: str, headers: Headers) -> _Refusal | None:
        hosts, origins = headers.getlist("host"), headers.getlist("origin")
        if len(hosts) != 1 or not self._door.knows(hosts[0]):
            found = ", ".join(hosts) or "none"
            how = "open the URL that `packsmith dashboard` printed, or allow the name with --allow-host"
            return _Refusal(status=403, expected="a Host header that names this page", found=found, do=how)
        writes = method in _WRITING
        if (origins or writes) and not _is_own(origins, hosts[0]):
            found = ", ".join(origins) or "none"
            return _Refusal(status=403, expected="a request of this page itself (Origin)", found=found)
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin") and not _opens(headers):
            return _Refusal(status=403, expected="a request of this page itself", found=headers["sec-fetch-site"])
        return self._refused_writing(headers) if writes else None

    def _refused_writing(self, headers: Headers) -> _Refusal | None:
        if self._door.readonly:
            how = "start `packsmith dashboard` without --read-only"
            return _Refusal(status=403, expected="a page that may act", found="one that only shows", do=how)
        if headers.get(CSRF_HEADER) != "1":
            return _Refusal(status=403, expected="the header X-Packsmith: 1", found="none")
        kind = headers.get("content-type", "")
        if kind.partition(";")[0].strip().lower() != "application/json":
            return _Refusal(status=415, expected="Content-Type: application/json", found=kind or "none")
        return None

    def _has_token(self, headers: Headers) -> bool:
        kind, _, bearer = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and self._door.fits(bearer.strip()):
            return True
        return any(self._door.fits(given) for given in _cookies(headers.getlist("cookie"), self._door.cookie))

    def _entered(self) -> Response:
        """The answer to the URL with the token. It is a page, not a redirect: a browser that came from another site,
        such as a mail, would follow a redirect without the new cookie.
        """
        response = HTMLResponse(_page("Opening", '<meta http-equiv="refresh" content="0;url=/">', '<a href="/">On</a>'))
        response.set_cookie(self._door.cookie, self._door.token, path="/", httponly=True, samesite="strict")
        return response


_HOW = "open the URL that `packsmith dashboard` printed, which holds the token; or send it as Authorization: Bearer"


def _locked() -> Response:
    return HTMLResponse(_page("packsmith", "", f"This page needs its token: {html.escape(_HOW)}."), 401)


def _page(title: str, head: str, body: str) -> str:
    return f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>{head}<p>{body}</p></html>\n'


def _refused(refusal: _Refusal) -> Response:
    record = error_record(refusal.expected, refusal.found, do=refusal.do)
    return Response(json.dumps(record), refusal.status, media_type="application/json")


def _opens(headers: Headers) -> bool:
    """Whether a browser opens the page itself, as from a link in another one."""
    return headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"


def _is_own(origins: Iterable[str], host: str) -> bool:
    """Whether there is one origin, and it is the host that was asked."""
    found = list(origins)
    if len(found) != 1:
        return False
    try:
        parts = urlsplit(found[0])
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower() and not parts.path


def _cookies(headers: Iterable[str], name: str) -> Iterable[str]:
    for header in headers:
        try:
            jar = SimpleCookie(header)
        except CookieError:
            continue
        if name in jar:
            yield jar[name].value


def _host_name(host: str) -> str | None:
    """The name or address in a Host header, without brackets and port; None if it is no host."""
    try:
        parts = urlsplit(f"//{host}")
        _ = parts.port
    except ValueError:
        return None
    plain = parts.netloc == host and not (parts.path or parts.query or parts.fragment or parts.username is not None)
    return parts.hostname if plain else None


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
