// The bar over the map while cells are selected: markers, a name, what they are, a file, and away with it.

const selecting = {
  bar() {
    const { chosen, data } = this
    this.strip.hidden = !chosen
    if (!chosen) {
      this.naming = this.composed = false
      return this.strip.replaceChildren()
    }
    const count = chosen.reduce((sum, one) => sum + one, 0)
    const said = element("span", "chosen", `${count.toLocaleString("en")} cells selected`)
    if (this.naming) {
      if (this.strip.querySelector("form")) return
      return this.strip.replaceChildren(said, this.nameForm())
    }
    const made = [said]
    if (data.selecting) {
      made.push(
        this.button("Markers", "Marker genes of the selected cells", () => this.act({ do: "markers", bits: this.sent })),
        this.button("Name", "Keep the selected cells under a name, as an annotation column", () => {
          this.naming = true
          this.bar()
          this.strip.querySelector("input")?.focus()
        }),
      )
    }
    if (data.colour) {
      const button = this.button("Composition", `The selected cells by ${data.colour.title}`, () => {
        this.composed = !this.composed
        this.bar()
      })
      button.setAttribute("aria-pressed", String(Boolean(this.composed)))
      made.push(button)
    }
    if (data.names) made.push(this.button("Export", "The names of the selected cells, as a CSV file", () => this.exportCells()))
    made.push(this.button("Clear", "Clear the selection", () => this.clear()))
    this.strip.replaceChildren(...made)
    if (this.composed && data.colour) this.strip.prepend(this.composition())
  },

  nameForm() {
    const { columns } = this.data.selecting
    const form = element("form", "naming")
    const field = (name, value, help) => {
      const label = element("label", "", name)
      const input = element("input")
      Object.assign(input, { type: "text", value, maxLength: 80, required: true, placeholder: help, autocomplete: "off" })
      label.append(input)
      form.append(label)
      return input
    }
    const name = field("Name", "", "For example T cells")
    const column = field("Column", this.column ?? columns[0] ?? "annotation", "annotation")
    const save = this.button("Save", "Add the name to the annotation column", () => {})
    save.type = "submit"
    const close = () => {
      this.naming = false
      this.bar()
    }
    form.append(save, this.button("Back", "Keep the selection without a name", close))
    form.onkeydown = (event) => {
      if (event.key === "Escape") close()
    }
    form.onsubmit = (event) => {
      event.preventDefault()
      if (!name.value.trim() || !column.value.trim()) return
      this.column = column.value.trim()
      const bits = this.sent
      this.naming = false
      this.past.push({ named: true, bits })
      this.act({ do: "name", column: this.column, label: name.value.trim(), bits })
      this.tell(null, false)
    }
    return form
  },

  composition() {
    // Of the selection by what colours the map; for numbers the medians.
    const { colour, n } = this.data
    const box = element("div", "composition")
    const table = element("table")
    const row = (kind, ...cells) => {
      const made = element("tr")
      made.append(...cells.map((text, at) => element(at ? kind : "th", "", text)))
      table.append(made)
    }
    const all = this.chosen.reduce((sum, one) => sum + one, 0)
    const share = (part, whole) => `${((100 * part) / Math.max(1, whole)).toFixed(whole && part / whole < 0.1 ? 1 : 0)} %`
    if (colour.kind === "groups") {
      const inside = new Map()
      for (let i = 0; i < n; i++) if (this.chosen[i]) inside.set(this.codes[i], (inside.get(this.codes[i]) ?? 0) + 1)
      row("th", colour.title, "Cells", "Of selection", "Of all cells")
      for (const [code, cells] of [...inside].sort((a, b) => b[1] - a[1]).slice(0, 12)) {
        const name = code === FULL ? "no value" : colour.levels[code]
        row("td", name, cells.toLocaleString("en"), share(cells, all), share(code === FULL ? colour.missing : colour.counts[code], n))
      }
      if (inside.size > 12) row("td", `${inside.size - 12} more`, "", "", "")
    } else {
      const within = [[], []]
      for (let i = 0; i < n; i++) if (this.codes[i] < 255) within[this.chosen[i] ? 0 : 1].push(this.codes[i])
      const middle = (codes) => {
        const at = codes.sort((a, b) => a - b)[codes.length >> 1]
        return at === undefined ? "–" : short(colour.low + (at / 254) * (colour.high - colour.low))
      }
      row("th", `Median of ${colour.title}`, "")
      row("td", "selected cells", middle(within[0]))
      row("td", "all other cells", middle(within[1]))
    }
    box.append(table)
    return box
  },

  async exportCells() {
    const { colour, names } = this.data
    const all = JSON.parse(new TextDecoder().decode(await this.fetched(names)))
    // a spreadsheet would run a text that begins so as a formula
    const text = (value) => `"${(/^[=+\-@]/.test(value) ? `'${value}` : value).replaceAll('"', '""')}"`
    const values = colour?.kind === "numbers" ? new Float32Array(await this.fetched(colour.values)) : null
    const value = (i) => {
      if (values) return Number.isFinite(values[i]) ? String(values[i]) : ""
      return this.codes[i] === FULL ? "" : text(colour.levels[this.codes[i]])
    }
    const lines = [colour ? `cell,${text(colour.title)}` : "cell"]
    for (let i = 0; i < all.length; i++) if (this.chosen[i]) lines.push(colour ? `${text(all[i])},${value(i)}` : text(all[i]))
    this.download(new Blob([`${lines.join("\n")}\n`], { type: "text/csv" }), "selected-cells.csv")
  },

  undo() {
    const last = this.past.pop()
    if (!last) return
    if (last.named) this.act({ do: "undo" })
    if (last.bits !== undefined) this.tell(last.bits ? this.unpacked(last.bits) : null, false)
    else this.refresh()
  },

  act(what) {
    this.turns = (this.turns ?? 0) + 1
    this.component.setTriggerValue("act", { ...what, turn: this.turns })
  },

  download(blob, name) {
    const link = document.createElement("a")
    link.href = URL.createObjectURL(blob)
    link.download = name
    link.click()
    setTimeout(() => URL.revokeObjectURL(link.href), 10000)
  },
}

