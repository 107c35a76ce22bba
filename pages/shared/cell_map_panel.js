// One map: its canvas, its view, and what the pointer and the keys do there.

class Panel {
  constructor(map) {
    this.map = map
    this.figure = element("figure", "panel")
    this.heading = element("figcaption", "heading")
    this.stage = element("div", "stage")
    this.base = element("canvas", "base")
    this.over = element("canvas", "over")
    this.base.tabIndex = 0
    this.base.setAttribute("role", "img")
    this.caption = element("p", "caption")
    this.stage.append(this.base, this.over)
    this.figure.append(this.heading, this.stage, this.caption)
    this.view = null
    this.points = null
    this.fingers = new Map()
    this.outline = null
    this.watch()
  }

  async load(panel) {
    this.heading.textContent = panel.title
    this.caption.textContent = panel.caption
    if (this.url === panel.xy) return
    const points = new Uint16Array(await this.map.fetched(panel.xy))
    this.url = panel.xy
    this.points = points
    this.grid = buckets(points)
    this.view = null
  }

  size() {
    const ratio = Math.min(2, window.devicePixelRatio || 1)
    const width = Math.max(1, Math.round(this.stage.clientWidth * ratio))
    const height = Math.max(1, Math.round(this.stage.clientHeight * ratio))
    for (const canvas of [this.base, this.over]) {
      if (canvas.width !== width || canvas.height !== height) {
        canvas.width = width
        canvas.height = height
        this.pixels = null
      }
    }
    if (this.ratio !== ratio || this.width !== width || this.height !== height) {
      const fitted = !this.view || this.fitted
      Object.assign(this, { ratio, width, height })
      if (fitted) this.fit()
    }
    if (!this.view) this.fit()
  }

  fit() {
    // The points that matter fill the map: their own bounds, not the square's.
    let [x0, y0, x1, y1] = [FULL, FULL, 0, 0]
    for (let i = 0; i < this.points.length; i += 2) {
      x0 = Math.min(x0, this.points[i])
      x1 = Math.max(x1, this.points[i])
      y0 = Math.min(y0, this.points[i + 1])
      y1 = Math.max(y1, this.points[i + 1])
    }
    const room = 0.92
    const k = room * Math.min(this.width / Math.max(1, x1 - x0), this.height / Math.max(1, y1 - y0))
    this.view = { k, x: this.width / 2 - (k * (x0 + x1)) / 2, y: this.height / 2 - (k * (y0 + y1)) / 2 }
    this.home = k
    this.fitted = true
  }

  radius() {
    const crowd = Math.sqrt((this.width * this.height) / this.points.length) / this.ratio
    const zoomed = Math.sqrt(this.view.k / this.home)
    return Math.min(7, Math.max(0.75, 0.2 * crowd) * Math.max(1, zoomed)) * this.ratio
  }

  opacity() {
    const crowd = this.points.length / Math.max(1, (this.view.k / this.home) ** 2)
    return crowd < 4000 ? 0.9 : crowd < 20000 ? 0.75 : crowd < 60000 ? 0.6 : 0.5
  }

  draw() {
    if (!this.points || !this.stage.clientWidth) return
    this.size()
    const context = this.base.getContext("2d", { alpha: false })
    this.pixels ??= new ImageData(this.width, this.height)
    const pixels = new Uint32Array(this.pixels.data.buffer)
    const { order, faint, colours, ground } = this.map.shades
    pixels.fill((0xff000000 | ground) >>> 0)
    const [radius, opacity] = [this.radius(), this.opacity()]
    const chosen = this.map.chosen ? 1 : opacity
    const all = order.length
    paint(pixels, this.width, this.height, this.points, order, 0, faint, colours, this.view, radius, 0.35)
    paint(pixels, this.width, this.height, this.points, order, faint, all, colours, this.view, radius, chosen)
    context.putImageData(this.pixels, 0, 0)
    this.label(context)
    this.mark()
  }

  label(context) {
    const { ink, paper } = this.map
    context.font = `600 ${(this.map.data.stage && !this.map.data.compact ? 20 : 13) * this.ratio}px ${this.map.font}`
    context.textAlign = "center"
    context.textBaseline = "middle"
    context.lineJoin = "round"
    context.lineWidth = 4 * this.ratio
    context.strokeStyle = paper
    context.fillStyle = ink
    for (const { text, x, y } of this.map.labels(this)) {
      const half = context.measureText(text).width / 2 + 4 * this.ratio
      const [at, py] = [x * this.view.k + this.view.x, y * this.view.k + this.view.y]
      const seen = at > 0 && at < this.width && this.width > 2 * half
      const px = seen ? Math.min(this.width - half, Math.max(half, at)) : at
      context.strokeText(text, px, py)
      context.fillText(text, px, py)
    }
  }

  mark() {
    // What moves with the pointer: the ring around a cell, and the line being drawn.
    const context = this.over.getContext("2d")
    context.clearRect(0, 0, this.width, this.height)
    const i = this.map.pointed
    if (i >= 0) {
      context.strokeStyle = this.map.ink
      context.lineWidth = 2 * this.ratio
      context.beginPath()
      const [x, y] = [this.points[2 * i] * this.view.k + this.view.x, this.points[2 * i + 1] * this.view.k + this.view.y]
      context.arc(x, y, this.radius() + 3 * this.ratio, 0, 2 * Math.PI)
      context.stroke()
    }
    if (this.outline) {
      context.strokeStyle = this.map.accent
      context.fillStyle = `${this.map.accent}22`
      context.lineWidth = 2 * this.ratio
      context.setLineDash([6 * this.ratio, 4 * this.ratio])
      context.beginPath()
      for (const [x, y] of this.outline) context.lineTo(x * this.ratio, y * this.ratio)
      context.closePath()
      context.fill()
      context.stroke()
      context.setLineDash([])
    }
  }

  zoom(factor, x = this.width / 2, y = this.height / 2) {
    const k = Math.min(this.home * 200, Math.max(this.home * 0.5, this.view.k * factor))
    const by = k / this.view.k
    this.view = { k, x: x - (x - this.view.x) * by, y: y - (y - this.view.y) * by }
    this.fitted = false
    this.map.redraw(this)
  }

  move(x, y) {
    this.view = { ...this.view, x: this.view.x + x * this.ratio, y: this.view.y + y * this.ratio }
    this.fitted = false
    this.map.redraw(this)
  }

  watch() {
    const canvas = this.base
    const spot = (event) => {
      const box = canvas.getBoundingClientRect()
      return [event.clientX - box.left, event.clientY - box.top]
    }
    canvas.onpointerdown = (event) => {
      if (event.button || !this.points) return
      canvas.setPointerCapture(event.pointerId)
      this.fingers.set(event.pointerId, spot(event))
      canvas.focus({ preventScroll: true })
      if (this.map.mode !== "move" && this.fingers.size === 1) this.outline = [spot(event)]
      this.map.point(-1)
    }
    canvas.onpointermove = (event) => {
      if (!this.points) return
      const now = spot(event)
      const before = this.fingers.get(event.pointerId)
      if (!before) return this.look(now, event)
      this.fingers.set(event.pointerId, now)
      if (this.outline) {
        const [first] = this.outline
        if (this.map.mode === "lasso") this.outline.push(now)
        else this.outline = [first, [now[0], first[1]], now, [first[0], now[1]]]
        this.mark()
      } else if (this.fingers.size === 2) {
        const [other] = [...this.fingers].filter(([id]) => id !== event.pointerId).map(([, at]) => at)
        const by = Math.hypot(now[0] - other[0], now[1] - other[1]) / Math.hypot(before[0] - other[0], before[1] - other[1])
        this.zoom(by, ((now[0] + other[0]) / 2) * this.ratio, ((now[1] + other[1]) / 2) * this.ratio)
      } else {
        this.move(now[0] - before[0], now[1] - before[1])
      }
    }
    const lift = (event) => {
      this.fingers.delete(event.pointerId)
      if (!this.outline) return
      const outline = this.outline
      this.outline = null
      this.mark()
      if (event.type === "pointerup") this.map.choose(this, outline, event.shiftKey)
    }
    canvas.onpointerup = lift
    canvas.onpointercancel = lift
    canvas.onpointerleave = () => this.map.point(-1)
    canvas.onwheel = (event) => {
      // A page that scrolls must not stick to the map: the wheel zooms once the map was clicked, or with Ctrl.
      if (!this.points || !(event.ctrlKey || event.metaKey || canvas.getRootNode().activeElement === canvas)) return
      event.preventDefault()
      const [x, y] = spot(event)
      this.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.002)), x * this.ratio, y * this.ratio)
    }
    canvas.ondblclick = () => this.map.fit()
    canvas.onkeydown = (event) => {
      const step = 40
      const moves = { ArrowLeft: [step, 0], ArrowRight: [-step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] }
      if (moves[event.key]) this.move(...moves[event.key])
      else if (event.key === "+" || event.key === "=") this.zoom(1.3)
      else if (event.key === "-") this.zoom(1 / 1.3)
      else if (event.key === "0") this.map.fit()
      else if (event.key === "Escape") this.map.clear()
      else if (event.key === "z" && (event.ctrlKey || event.metaKey)) this.map.undo()
      else return
      event.preventDefault()
    }
  }

  look([x, y], event) {
    const { k, x: left, y: top } = this.view
    const within = (10 * this.ratio) / k
    const at = nearest(this.points, this.grid, (x * this.ratio - left) / k, (y * this.ratio - top) / k, within, () => true)
    this.map.point(at, event)
  }
}

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

  chooseShown() {
    this.tell(Uint8Array.from(this.codes, (code) => (this.only.has(code) ? 1 : 0)))
  },

  tell(found, undoable = true) {
    if (undoable) this.past.push({ bits: this.sent ?? "" })
    if (this.past.length > 50) this.past.shift()
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
    canvas.toBlob((blob) => this.download(blob, `${this.data.name}.png`))
  },
}
