// Solara runs this before the page begins. A widget that is not there within two seconds anywidget leaves out for good;
// on a busy machine it takes longer, and a page that is late is better than one without its map.
{
  const patience_ms = 120000, after = AbortSignal.timeout.bind(AbortSignal);
  AbortSignal.timeout = (ms) => after(Math.max(ms, patience_ms));
}
