/*
 * Requests. Each has a time limit and is sent once: nothing here tries again by itself, for a second request with the same
 * code could cost a second attempt. A refusal (the server decided) and trouble (no decision is known) are two errors.
 */

/** How long to wait for an answer. The server itself gives up after 20 seconds. */
const TIME_LIMIT = 15_000;

/** The server said no. */
export class Refusal extends Error {
  constructor(status, body, retryAfter) {
    super(body.error_description || body.error || `status ${status}`);
    Object.assign(this, { status, error: body.error || '', body, retryAfter });
  }
}

/** No answer, or one that decides nothing: whether the request was carried out is not known. */
export class ServerError extends Error {
  /** `kind` is `unreachable`, `timeout`, `busy` or `server`. */
  constructor(kind, retryAfter = 0) {
    super(kind);
    Object.assign(this, { kind, retryAfter });
  }
}

/** The answer as what its JSON says; as it is with `raw`. */
export async function call(method, path, { body, bearer, cookies = false, raw = false } = {}) {
  const headers = { accept: 'application/json' };
  if (body) headers['content-type'] = 'application/json';
  if (bearer) headers.authorization = `Bearer ${bearer}`;
  const limit = new AbortController();
  const timer = setTimeout(() => limit.abort(), TIME_LIMIT);
  let response;
  let text;
  try {
    response = await fetch(path, { method, headers, body: body && JSON.stringify(body), cache: 'no-store', credentials: cookies ? 'same-origin' : 'omit', signal: limit.signal });
    text = await response.text();
  } catch {
    throw new ServerError(limit.signal.aborted ? 'timeout' : 'unreachable');
  } finally {
    clearTimeout(timer);
  }
  const retryAfter = Number(response.headers.get('retry-after')) || 0;
  if (response.status === 503) throw new ServerError('busy', retryAfter);
  if (response.status >= 500) throw new ServerError('server', retryAfter);
  let data = null;
  try { data = text ? JSON.parse(text) : null; } catch { /* not JSON: the status will do */ }
  if (response.ok) return raw ? text : data;
  throw new Refusal(response.status, data || {}, retryAfter);
}
