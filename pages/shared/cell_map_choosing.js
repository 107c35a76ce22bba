// Cells that are circled: found, shown in every map, told to the server; and the picture as a file.

const choosing = {
  choose(panel, outline, more) {
    const { k, x: left, y: top } = panel.view
    const shape = outline.map(([x, y]) => [(x * panel.ratio - left) / k, (y * panel.ratio - top) / k])
    if (shape.length < 3) return
    const xs = shape.map(([x]) => x)
    const ys = shape.map(([, y]) => y)
    const [x0, x1, y0, y1] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)]
    const found = more && this.chosen ? this.chosen.slice() : new Uint8Array(this.data.n)
    let any = 0
    const hidden = this.only.size && this.codes
    for (let i = 0; i < found.length; i++) {
      const [x, y] = [panel.points[2 * i], panel.points[2 * i + 1]]
      if (x < x0 || x > x1 || y < y0 || y > y1 || (hidden && !this.only.has(this.codes[i]))) continue
      if (inside(shape, x, y)) found[i] = 1
    }
    for (let i = 0; i < found.length && !any; i++) any = found[i]
    this.tell(any ? found : null)
  },

  clear() {
    if (this.chosen) this.tell(null)
  },

  tell(found) {
    this.chosen = found
    const bytes = new Uint8Array((this.data.n + 7) >> 3)
    if (found) for (let i = 0; i < found.length; i++) bytes[i >> 3] |= found[i] << (i & 7)
    this.sent = found ? bytesToText(bytes) : ""
    this.refresh()
    this.component.setStateValue("selection", { bits: this.sent })
  },

  save() {
    const all = this.panels.map((panel) => panel.base)
    const canvas = document.createElement("canvas")
    canvas.width = all.reduce((sum, one) => sum + one.width, 0)
    canvas.height = Math.max(...all.map((one) => one.height))
    const context = canvas.getContext("2d")
    let x = 0
    for (const one of all) {
      context.drawImage(one, x, 0)
      x += one.width
    }
    canvas.toBlob((blob) => {
      const link = document.createElement("a")
      link.href = URL.createObjectURL(blob)
      link.download = `${this.data.name}.png`
      link.click()
      setTimeout(() => URL.revokeObjectURL(link.href), 10000)
    })
  },
}
