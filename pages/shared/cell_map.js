// The whole: one or two maps with the same cells, tools above, what can colour them left, what the colours mean right.

const maps = new WeakMap()
const TOOLS = [
  ["move", "Pan", "Drag to pan, pinch or scroll to zoom (click the map first)"],
  ["lasso", "Lasso", "Draw a line around cells to select them; hold Shift to add to the selection"],
  ["box", "Box", "Draw a box around cells to select them; hold Shift to add to the selection"],
]

class CellMap {
  constructor(root) {
    this.root = root
    this.files = new Map()
    this.mode = "move"
    this.pointed = -1
    this.only = new Set()
    this.sought = ""
    this.chosen = null
    this.sent = null
    this.panels = []
    this.past = [] // what can be undone: selections of before, names given
    this.tools = element("div", "tools")
    this.area = element("div", "area")
    this.maps = element("div", "maps")
    this.legend = element("aside", "legend")
    this.menu = element("nav", "menu")
    this.menu.setAttribute("aria-label", "Colour by")
    this.menu.hidden = true
    this.strip = element("div", "strip-of-selection")
    this.strip.setAttribute("role", "group")
    this.strip.setAttribute("aria-label", "Selected cells")
    this.middle = element("div", "middle")
    this.tip = element("div", "tip")
    this.tip.hidden = true
    this.note = root.parentNode.querySelector(".cell-map-note")
    this.middle.append(this.maps, this.strip)
    this.area.append(this.menu, this.middle, this.legend)
    root.replaceChildren(this.tools, this.area, this.tip)
    this.sized = new ResizeObserver(() => {
      this.fill()
      this.redraw()
    })
    this.sized.observe(this.maps)
    this.fills = () => this.fill()
    const above = document.querySelector("[data-testid=stMainBlockContainer]")
    if (above) this.sized.observe(above) // what stands above the map came, went or was wrapped
    window.addEventListener("resize", this.fills)
    document.addEventListener("fullscreenchange", this.fills)
    this.close = () => {
      this.sized.disconnect()
      window.removeEventListener("resize", this.fills)
      document.removeEventListener("fullscreenchange", this.fills)
      maps.delete(root)
    }
  }

  fetched(url) {
    if (!this.files.has(url)) {
      const coming = fetch(url).then((answer) => {
        if (!answer.ok) throw new Error(`${answer.status}`)
        return answer.arrayBuffer()
      })
      coming.catch(() => this.files.delete(url))
      this.files.set(url, coming)
      if (this.files.size > 12) this.files.delete(this.files.keys().next().value)
    }
    return this.files.get(url)
  }

  async update(component) {
    const { data } = component
    this.component = component
    const turn = (this.turn = Symbol("update"))
    const css = getComputedStyle(this.root)
    const value = (name, other) => css.getPropertyValue(name).trim() || other
    this.paper = value("--st-background-color", "#ffffff")
    this.ink = value("--st-text-color", "#222222")
    this.accent = value("--st-primary-color", "#0b6e7a")
    this.font = value("--st-font", "sans-serif")
    try {
      while (this.panels.length < data.panels.length) this.panels.push(new Panel(this))
      this.panels.length = data.panels.length
      const codes = data.colour && (await this.fetched(data.colour.codes))
      if (turn !== this.turn) return
      await Promise.all(data.panels.map((panel, index) => this.panels[index].load(panel)))
      if (turn !== this.turn) return
      if (this.data?.colour?.codes !== data.colour?.codes) {
        this.only = new Set()
        this.sought = ""
        this.renaming = null
      }
      if (this.data?.colour?.levels?.join("\n") !== data.colour?.levels?.join("\n") || this.data?.colour?.codes !== data.colour?.codes) this.places = null
      this.data = data
      this.root.classList.toggle("compact", Boolean(data.compact))
      this.root.classList.toggle("present", Boolean(data.stage))
      this.codes = codes && (data.colour.kind === "groups" ? new Uint16Array(codes) : new Uint8Array(codes))
      this.order ??= shuffled(data.n)
      if (this.order.length !== data.n) this.order = shuffled(data.n)
      if (data.selected !== this.sent) {
        this.sent = data.selected
        this.chosen = data.selected ? this.unpacked(data.selected) : null
      }
      const figures = this.panels.map((panel) => panel.figure)
      if (figures.some((figure, index) => this.maps.children[index] !== figure) || this.maps.children.length !== figures.length) {
        this.maps.replaceChildren(...figures)
      }
      this.maps.classList.toggle("two", figures.length > 1)
      this.note.textContent = ""
      this.refresh()
      this.fill()
      this.root.style.visibility = "" // not seen while its parts find their places
      this.root.dataset.drawn = String(Number(this.root.dataset.drawn ?? 0) + 1)
    } catch (error) {
      console.warn("The map could not be loaded.", error)
      this.note.textContent = "The map could not be loaded. Reload the page to try again."
    }
  }

  unpacked(text) {
    const bytes = textToBytes(text)
    return Uint8Array.from({ length: this.data.n }, (_, i) => (bytes[i >> 3] >> (i & 7)) & 1)
  }

  refresh() {
    this.shade()
    const { dataset } = this.root
    dataset.colour = this.data.colour?.title ?? ""
    dataset.groups = String(this.data.colour?.levels?.length ?? 0)
    dataset.chosen = String(this.chosen ? this.chosen.reduce((sum, one) => sum + one, 0) : 0)
    this.buttons()
    menu(this)
    legend(this)
    this.bar()
    this.redraw()
    for (const [index, panel] of this.panels.entries()) {
      const { colour, n } = this.data
      const by = colour ? `, coloured by ${colour.title}` : ""
      panel.base.setAttribute("aria-label", `${this.data.panels[index].title}: map of ${n.toLocaleString("en")} cells${by}. Arrow keys pan, plus and minus zoom, 0 resets the view.`)
      panel.base.style.touchAction = this.mode === "move" ? "pan-y" : "none"
      panel.base.style.cursor = this.mode === "move" ? "grab" : "crosshair"
    }
  }

  // --- tools ---

  buttons() {
    const made = (this.data.stage ? [] : TOOLS).map(([mode, name, help]) => {
      const button = this.button(name, help, () => {
        this.mode = mode
        this.refresh()
      })
      button.setAttribute("aria-pressed", String(this.mode === mode))
      return button
    })
    const zoom = (factor) => () => this.panels.forEach((panel) => panel.zoom(factor))
    made.push(
      element("span", "gap"),
      this.button("+", "Zoom in", zoom(1.4)),
      this.button("−", "Zoom out", zoom(1 / 1.4)),
      this.button("Reset view", "Show the whole map", () => this.fit()),
    )
    if (!this.data.stage) made.push(this.button("Download image", "The map as shown, as a PNG file", () => this.save()))
    const undo = this.button("Undo", "Take back the last selection or name", () => this.undo())
    undo.disabled = !this.past.length
    if (this.data.selecting) made.push(undo)
    if (this.data.stage && document.fullscreenEnabled) {
      made.push(this.button("Full screen", "The map alone on the whole screen", () => {
        if (document.fullscreenElement) document.exitFullscreen()
        else this.root.requestFullscreen()
      }))
    }
    const focused = [...this.tools.children].indexOf(this.tools.getRootNode().activeElement)
    this.tools.replaceChildren(...made)
    made[focused]?.focus()
  }

  button(name, help, action) {
    const button = element("button", "", name)
    button.type = "button"
    button.title = help
    if (name.length < 2) button.setAttribute("aria-label", help)
    button.onclick = action
    return button
  }

  fill() {
    // The map takes what is left of the window below it; in place of a page that scrolls to its lower half.
    const { height } = this.data ?? {}
    const full = this.root.getRootNode().fullscreenElement === this.root
    const scrolled = document.querySelector("[data-testid=stMain]")?.scrollTop ?? 0
    const top = this.middle.getBoundingClientRect().top + (full ? 0 : scrolled)
    const left = Math.max(320, Math.floor(window.innerHeight - top - 20))
    this.root.style.setProperty("--fill", `${height && !full ? height : left}px`)
  }

  redraw(panel) {
    if (!this.shades || this.waiting === "all") return
    if (this.waiting) this.waiting = this.waiting === panel ? panel : "all"
    else {
      this.waiting = panel ?? "all"
      requestAnimationFrame(() => {
        const which = this.waiting === "all" ? this.panels : [this.waiting]
        this.waiting = null
        const started = performance.now()
        which.forEach((one) => one.draw())
        this.root.dataset.drawMs = (performance.now() - started).toFixed(1)
      })
    }
  }

  fit() {
    this.panels.forEach((panel) => panel.fit())
    this.redraw()
  }

  async point(at, event) {
    if (at < 0 || !event) this.tip.hidden = true
    else {
      this.tip.replaceChildren(...await this.said(at))
      this.tip.hidden = this.pointed < 0 && at < 0
      const box = this.root.getBoundingClientRect()
      const x = event.clientX - box.left
      this.tip.style.left = `${Math.min(x + 14, Math.max(0, box.width - this.tip.offsetWidth - 4))}px`
      this.tip.style.top = `${event.clientY - box.top + 14}px`
    }
    if (this.pointed === at) return
    this.pointed = at
    this.panels.forEach((panel) => panel.points && panel.view && panel.mark())
  }

  async said(i) {
    const { colour, names } = this.data
    const lines = []
    if (colour?.kind === "groups") {
      const code = this.codes[i]
      lines.push(element("strong", "", code === 65535 ? "no value" : colour.levels[code]))
    } else if (colour) {
      const values = this.values?.url === colour.values ? this.values.all : null
      if (!values) this.fetched(colour.values).then((bytes) => (this.values = { url: colour.values, all: new Float32Array(bytes) }))
      lines.push(element("strong", "", values ? `${short(values[i])} ${colour.unit}` : "…"))
    }
    if (colour) lines.push(element("span", "", colour.title))
    if (names && this.names?.url !== names) {
      this.fetched(names).then((bytes) => (this.names = { url: names, all: JSON.parse(new TextDecoder().decode(bytes)) }))
    } else if (names) lines.push(element("span", "", this.names.all[i]))
    return lines
  }
}

Object.assign(CellMap.prototype, shading, choosing, selecting)

export default function (component) {
  const root = component.parentElement.querySelector(".cell-map")
  if (!root || !component.data) return
  let map = maps.get(root)
  if (!map) maps.set(root, (map = new CellMap(root)))
  map.update(component)
  return map.close
}
