// The theme, in sight and remembered: Streamlit hides its choice in a menu and remembers it for one address only.
// And the menu of a phone closes once a page is chosen.
{
  const KEPT = "studio-theme"
  const slot = () => `stActiveTheme-${location.pathname}-v2`
  const kept = localStorage.getItem(KEPT)
  if (kept) localStorage.setItem(slot(), JSON.stringify(kept)) // before Streamlit looks
  const SIGN =
    '<svg viewBox="0 0 24 24" aria-hidden="true"><path d="M12 2a10 10 0 1 0 0 20 10 10 0 0 0 0-20zm0 18V4a8 8 0 0 1 0 16z"/></svg>'

  const now = () => {
    const app = document.querySelector(".stApp")
    return app && getComputedStyle(app).colorScheme === "dark" ? "dark" : "light"
  }

  async function found(selector) {
    for (let tries = 0; tries < 40; tries++) {
      const element = document.querySelector(selector)
      if (element) return element
      await new Promise((next) => setTimeout(next, 25))
    }
    return null
  }

  async function choose(name) {
    localStorage.setItem(KEPT, name)
    const page = document.documentElement
    page.dataset.studioSwitching = ""
    document.querySelector("[data-testid=stMainMenuButton]")?.click()
    const item = await found(`[data-testid=stMainMenuItem-theme-${name}]`)
    item?.click()
    if (document.querySelector("[data-testid=stMainMenuPopover]")) document.querySelector("[data-testid=stMainMenuButton]")?.click()
    setTimeout(() => delete page.dataset.studioSwitching, 300)
    if (!item) {
      localStorage.setItem(slot(), JSON.stringify(name))
      location.reload()
    }
  }

  function say(button) {
    const theme = now()
    if (button.dataset.now === theme) return
    button.dataset.now = theme
    button.title = theme === "dark" ? "Light theme" : "Dark theme"
    button.setAttribute("aria-label", `Switch to the ${button.title.toLowerCase()}`)
  }

  addEventListener("DOMContentLoaded", () => {
    const button = Object.assign(document.createElement("button"), { id: "studio-theme", type: "button", innerHTML: SIGN })
    button.onclick = async () => {
      await choose(now() === "dark" ? "Light" : "Dark")
      button.focus()
    }
    document.body.append(button)
    say(button)
    setInterval(say, 500, button) // the system may change it, and so may Streamlit's own menu
  })

  document.addEventListener("click", (event) => {
    const item = event.target.closest?.("[data-testid^=stMainMenuItem-theme-]")
    if (item && event.isTrusted) localStorage.setItem(KEPT, item.dataset.testid.split("-").pop())
    if (event.target.closest?.("[data-testid=stSidebarNavLink]") && innerWidth < 768) {
      setTimeout(() => document.querySelector("[data-testid=stSidebarCollapseButton] button")?.click(), 0)
    }
  })
}
