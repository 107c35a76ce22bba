// What the cells can be coloured by: one box to type in, the columns by kind beneath it, genes while typing.

const MOST_GENES = 30

function choice(map, { value, name, more, removable }) {
  const { chosen } = map.data.menu
  const row = element("div", "choice-row")
  const button = element("button", "choice")
  button.type = "button"
  button.title = name
  button.setAttribute("aria-pressed", String(value === chosen))
  button.append(named(name), element("span", "count", more ?? ""))
  button.onclick = () => map.act({ do: "colour", value })
  row.append(button)
  if (removable) {
    const remove = map.button("×", `Remove the annotation column ${name}`, () => {
      map.past.push({ named: true })
      map.act({ do: "remove", column: name })
    })
    remove.className = "remove"
    row.append(remove)
  }
  return row
}

function control(map, { kind, value, low, high, step, options, help }) {
  const box = element("div", "control")
  if (kind === "expression") {
    for (const option of options) {
      const button = map.button(option.name, option.help, () => map.act({ do: "expression", value: option.value }))
      button.setAttribute("aria-pressed", String(option.value === value))
      box.append(button)
    }
    return box
  }
  const label = element("label", "", "Resolution")
  const output = element("output", "", String(value))
  const slider = element("input")
  Object.assign(slider, { type: "range", min: low, max: high, step, value, title: help })
  slider.setAttribute("aria-label", "Resolution of the clusters")
  slider.oninput = () => (output.textContent = Number(slider.value).toFixed(1))
  slider.onchange = () => map.act({ do: "resolution", value: Number(slider.value) })
  label.append(output)
  box.append(label, slider)
  return box
}

function geneMatches(genes, text) {
  const rank = ([gene, label]) => {
    const names = [gene.toLowerCase(), label.toLowerCase()]
    if (names.some((name) => name === text || name.split(" ")[0] === text)) return 0
    if (names.some((name) => name.startsWith(text))) return 1
    return names.some((name) => name.includes(text)) ? 2 : 3
  }
  const found = [[], [], []]
  for (const gene of genes) found[rank(gene)]?.push(gene)
  return found.map((some) => some.sort((a, b) => a[1].length - b[1].length || a[1].localeCompare(b[1], "en", { numeric: true }))).flat().slice(0, MOST_GENES)
}

function menu(map) {
  const { menu } = map.data
  const said = JSON.stringify(menu ?? null)
  if (map.menuSaid === said) return
  map.menuSaid = said
  map.menu.hidden = !menu
  map.root.classList.toggle("with-menu", Boolean(menu))
  if (!menu) return map.menu.replaceChildren()
  const title = element("label", "menu-title", "Colour by")
  const search = element("input", "search")
  Object.assign(search, { type: "search", placeholder: menu.genes ? "Column or gene" : "Column", value: map.wanted ?? "" })
  search.setAttribute("aria-label", "Colour by: column or gene")
  search.autocomplete = "off"
  title.append(search)
  const list = element("div", "choices")
  const section = (name, items) => {
    const box = element("section", "")
    box.append(element("h4", "", name))
    for (const item of items) {
      box.append(choice(map, item))
      if (item.value === menu.chosen && menu.control) box.append(control(map, menu.control))
    }
    return box
  }
  const fill = () => {
    const text = search.value.trim().toLowerCase()
    map.wanted = search.value
    const parts = menu.groups
      .map(({ title, items }) => [title, text ? items.filter(({ name }) => name.toLowerCase().includes(text)) : items])
      .filter(([, items]) => items.length)
      .map(([name, items]) => section(name, items))
    if (menu.genes) {
      const items = menu.gene ? [menu.gene] : []
      if (text && map.genes?.url === menu.genes) {
        const found = geneMatches(map.genes.all, text).map(([gene, name]) => ({ value: `gene:${gene}`, name }))
        items.splice(0, items.length, ...found)
      }
      if (items.length) parts.push(section("Genes", items))
      else if (!text) {
        const box = section("Genes", [])
        box.append(element("p", "note", "Type a name, for example CD3D."))
        parts.push(box)
      } else if (map.genes?.url !== menu.genes) parts.push(element("p", "note", "Looking up genes…"))
    }
    list.replaceChildren(...(parts.length ? parts : [element("p", "note", "No column or gene of that name.")]))
  }
  const genes = () => {
    if (!menu.genes || map.genes?.url === menu.genes) return
    map.fetched(menu.genes).then((bytes) => {
      map.genes = { url: menu.genes, all: JSON.parse(new TextDecoder().decode(bytes)) }
      if (search.isConnected) fill()
    }, () => {})
  }
  search.onfocus = genes
  search.oninput = () => {
    genes()
    fill()
  }
  const buttons = () => [...list.querySelectorAll(".choice")]
  search.onkeydown = (event) => {
    const [first] = buttons()
    if (event.key === "Escape") {
      search.value = ""
      fill()
    } else if (event.key === "Enter" && search.value.trim()) first?.click()
    else if (event.key === "ArrowDown") first?.focus()
    else return
    event.preventDefault()
  }
  list.onkeydown = (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
    const at = buttons().indexOf(event.target)
    if (!step || at < 0) return
    event.preventDefault()
    ;(buttons()[at + step] ?? search).focus()
  }
  if (map.wanted) genes()
  const kept = map.menu.querySelector(".choices")?.scrollTop ?? 0
  const typing = map.menu.contains(map.root.getRootNode().activeElement) && map.wanted
  map.menu.replaceChildren(title, list)
  fill()
  list.scrollTop = kept
  if (typing) search.focus()
}

