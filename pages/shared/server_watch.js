// Asks every few seconds whether the server answers, whatever it answers, and says so above the page while it does not.
// Streamlit's own front end shows nothing while a server is stopped or suspended.

const EVERY = 4000 // ms; a tab in the background does not ask
const PATIENCE = 4000
const ID = "studio-server-silent"
const WORDS =
  "The server does not answer: it was stopped or suspended, or the connection is lost. What runs have saved is safe. " +
  "This page continues by itself once the server answers."

async function answers() {
  try {
    const signal = AbortSignal.timeout(PATIENCE)
    await fetch(new URL("_stcore/health", document.baseURI), { cache: "no-store", signal })
    return true
  } catch {
    return false
  }
}

function show(silent) {
  const shown = document.getElementById(ID)
  if (!silent) shown?.remove()
  else if (!shown) {
    const banner = document.createElement("div")
    banner.id = ID
    banner.setAttribute("role", "alert")
    banner.textContent = WORDS
    banner.style.cssText =
      "position:fixed;top:0;left:0;right:0;z-index:1000000;padding:.75rem 1rem;text-align:center;" +
      "background:#7a1f1f;color:#fff;font:500 1rem/1.4 sans-serif"
    document.body.appendChild(banner)
  }
}

export default function () {
  let over = false
  let timer = 0
  let failed = 0
  async function look() {
    if (!document.hidden) failed = (await answers()) ? 0 : failed + 1
    if (over) return
    show(failed > 1)
    timer = setTimeout(look, failed ? EVERY / 4 : EVERY)
  }
  timer = setTimeout(look, EVERY)
  return () => {
    over = true
    clearTimeout(timer)
  }
}
