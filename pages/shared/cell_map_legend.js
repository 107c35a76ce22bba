// What the colours mean: groups with their sizes, or a bar for numbers. A click isolates a group, a double click renames.

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

// Long names often differ at their ends only, so the end stays where a name is shortened.
function named(name) {
  if (name.length <= 20) return element("span", "name", name)
  const parts = element("span", "name long")
  const letters = [...name]
  parts.append(element("span", "start", letters.slice(0, -8).join("")), element("span", "", letters.slice(-8).join("")))
  return parts
}

function legend(map) {
  const { colour } = map.data
  const box = map.legend
  if (!colour) return box.replaceChildren()
  const focused = map.legend.contains(map.root.getRootNode().activeElement) && map.root.getRootNode().activeElement.dataset.level
  const title = element("h3", "", colour.title)
  const note = element("p", "note", [colour.note ?? "", colour.editable ? "Double-click a name to rename it." : ""].join(" ").trim())
  if (colour.kind === "numbers") box.replaceChildren(title, bar(map, colour), note)
  else box.replaceChildren(title, ...groups(map, colour), note)
  const field = box.querySelector(".rename")
  if (field) field.select()
  else if (focused) box.querySelector(`[data-level="${focused}"]`)?.focus()
}

function rename(map, level) {
  const before = map.data.colour.levels[level]
  const field = element("input", "search rename")
  Object.assign(field, { type: "text", value: before, maxLength: 80 })
  field.setAttribute("aria-label", `New name of ${before}`)
  const end = (save) => {
    if (map.renaming !== level) return
    map.renaming = null
    const name = field.value.trim()
    if (save && name && name !== before) {
      map.past.push({ named: true })
      map.act({ do: "rename", level, name })
    }
    map.refresh()
  }
  field.onkeydown = (event) => {
    if (event.key === "Enter") end(true)
    else if (event.key === "Escape") end(false)
  }
  field.onblur = () => end(true)
  return field
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

function groups(map, colour) {
  const many = colour.levels.length > map.most
  const list = element("ul", "levels")
  const entry = (level) => {
    const item = element("li")
    if (map.renaming === level) {
      item.append(rename(map, level))
      return item
    }
    const button = element("button", "level")
    button.dataset.level = level
    button.type = "button"
    button.setAttribute("aria-pressed", String(map.only.has(level)))
    const dot = element("span", "dot")
    dot.style.background = map.cssOf(level)
    button.append(dot, named(colour.levels[level]), element("span", "count", colour.counts[level].toLocaleString("en")))
    button.title = colour.levels[level]
    button.onclick = () => {
      // the list is drawn anew with each click, so that the browser sees no double click
      const again = colour.editable && map.clicked?.level === level && performance.now() - map.clicked.at < 450
      map.clicked = again ? null : { level, at: performance.now() }
      if (again) map.renaming = level
      map.toggle(level)
    }
    button.onkeydown = (event) => {
      if (event.key !== "F2" || !colour.editable) return
      map.renaming = level
      map.refresh()
    }
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
    if (map.data.selecting) {
      const choose = element("button", "all", "Select these cells")
      choose.type = "button"
      choose.onclick = () => map.chooseShown()
      out.push(choose)
    }
  }
  return out
}

