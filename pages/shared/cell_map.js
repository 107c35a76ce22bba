// What the colours mean: groups with their sizes, or a bar for numbers.

function element(tag, kind = "", text = "") {
  const made = document.createElement(tag)
  if (kind) made.className = kind
  if (text) made.textContent = text
  return made
}

function short(value) {
  if (!Number.isFinite(value)) return "–"
  const size = Math.abs(value)
  if (size >= 1e5 || (size > 0 && size < 1e-3)) return value.toExponential(1)
  return value.toLocaleString("en", { maximumFractionDigits: size >= 100 ? 0 : size >= 1 ? 2 : 3 })
}

function legend(map) {
  const { colour } = map.data
  const box = map.legend
  if (!colour) return box.replaceChildren()
  const title = element("h3", "", colour.title)
  const note = element("p", "note", colour.note ?? "")
  if (colour.kind === "numbers") box.replaceChildren(title, bar(map, colour), note)
  else box.replaceChildren(title, ...groups(map, colour), note)
}

function bar(map, colour) {
  const wrap = element("div", "bar")
  const strip = element("div", "strip")
  strip.style.background = `linear-gradient(to right, ${map.data.scale.join(",")})`
  strip.setAttribute("role", "img")
  strip.setAttribute("aria-label", `From ${short(colour.low)} to ${short(colour.high)} ${colour.unit}`)
  const ends = element("div", "ends")
  const middle = (colour.low + colour.high) / 2
  ends.append(...[colour.low, middle, colour.high].map((value) => element("span", "", short(value))))
  wrap.append(strip, ends, element("p", "unit", colour.unit))
  if (colour.missing) wrap.append(element("p", "note", `${colour.missing.toLocaleString("en")} cells have no value.`))
  return wrap
}

// Long names often differ at their ends only, so the end stays where a name is shortened.
function named(name) {
  if (name.length <= 20) return element("span", "name", name)
  const parts = element("span", "name long")
  const letters = [...name]
  parts.append(element("span", "start", letters.slice(0, -8).join("")), element("span", "", letters.slice(-8).join("")))
  return parts
}

function groups(map, colour) {
  const many = colour.levels.length > map.most
  const list = element("ul", "levels")
  const entry = (level) => {
    const item = element("li")
    const button = element("button", "level")
    button.type = "button"
    button.setAttribute("aria-pressed", String(map.only.has(level)))
    const dot = element("span", "dot")
    dot.style.background = map.cssOf(level)
    button.append(dot, named(colour.levels[level]), element("span", "count", colour.counts[level].toLocaleString("en")))
    button.title = colour.levels[level]
    button.onclick = () => map.toggle(level)
    item.append(button)
    return item
  }
  const fill = (text) => {
    const wanted = text.trim().toLowerCase()
    const all = colour.levels.map((_, level) => level)
    const shown = wanted ? all.filter((level) => colour.levels[level].toLowerCase().includes(wanted)) : all
    const first = shown.filter((level) => wanted || level < map.most || map.only.has(level)).slice(0, 60)
    list.replaceChildren(...first.map(entry))
    const rest = colour.levels.length - map.most
    if (many && !wanted) {
      const cells = colour.counts.slice(map.most).reduce((sum, count) => sum + count, 0)
      const other = element("li", "other")
      other.append(element("span", "dot"), element("span", "name", `${rest.toLocaleString("en")} smaller groups`), element("span", "count", cells.toLocaleString("en")))
      list.append(other)
    }
    if (wanted && !first.length) list.append(element("li", "other", "No group of that name."))
  }
  fill(map.sought)
  const out = []
  if (many) {
    const search = element("input", "search")
    search.type = "search"
    search.placeholder = `Search ${colour.levels.length.toLocaleString("en")} groups`
    search.setAttribute("aria-label", search.placeholder)
    search.value = map.sought
    search.oninput = () => {
      map.sought = search.value
      fill(search.value)
    }
    out.push(search)
  }
  out.push(list)
  if (colour.missing) out.push(element("p", "note", `${colour.missing.toLocaleString("en")} cells have no value (grey).`))
  if (map.only.size) {
    const all = element("button", "all", "Show all groups")
    all.type = "button"
    all.onclick = () => map.toggle(null)
    out.push(all)
  }
  return out
}

// The whole: one or two maps with the same cells, tools above, what the colours mean beside.

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
    this.tools = element("div", "tools")
    this.area = element("div", "area")
    this.maps = element("div", "maps")
    this.legend = element("aside", "legend")
    this.tip = element("div", "tip")
    this.tip.hidden = true
    this.note = root.parentNode.querySelector(".cell-map-note")
    this.area.append(this.maps, this.legend)
    root.replaceChildren(this.tools, this.area, this.tip)
    this.sized = new ResizeObserver(() => this.redraw())
    this.sized.observe(this.maps)
    this.close = () => {
      this.sized.disconnect()
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
      await Promise.all(data.panels.map((panel, index) => this.panels[index].load(panel, data.height)))
      if (turn !== this.turn) return
      if (this.data?.colour?.codes !== data.colour?.codes) {
        this.only = new Set()
        this.sought = ""
        this.places = null
      }
      this.data = data
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
    legend(this)
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
    const made = TOOLS.map(([mode, name, help]) => {
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
      this.button("Download image", "The map as shown, as a PNG file", () => this.save()),
    )
    if (this.chosen) {
      const count = this.chosen.reduce((sum, one) => sum + one, 0)
      made.push(
        element("span", "chosen", `${count.toLocaleString("en")} cells selected`),
        this.button("Clear", "Clear the selection", () => this.clear()),
      )
    }
    this.tools.replaceChildren(...made)
  }

  button(name, help, action) {
    const button = element("button", "", name)
    button.type = "button"
    button.title = help
    if (name.length < 2) button.setAttribute("aria-label", help)
    button.onclick = action
    return button
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

Object.assign(CellMap.prototype, shading, choosing)

export default function (component) {
  const root = component.parentElement.querySelector(".cell-map")
  if (!root || !component.data) return
  let map = maps.get(root)
  if (!map) maps.set(root, (map = new CellMap(root)))
  map.update(component)
  return map.close
}
