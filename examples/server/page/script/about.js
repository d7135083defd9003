/* The health of the server, on the page that says what the server is. The page says all the rest without this script. */

const health = document.getElementById('health');
try {
  const response = await fetch('/healthz', { cache: 'no-store', signal: AbortSignal.timeout(10_000) });
  const { status } = await response.json();
  health.textContent = response.ok ? 'Working' : `Not working: ${status}`;
  health.className = `chip ${response.ok ? 'ok' : 'bad'}`;
} catch {
  health.textContent = 'No answer';
  health.className = 'chip warn';
}
