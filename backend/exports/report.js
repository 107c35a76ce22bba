// Draws the figures of a report. Everything it needs is in the file; it asks nothing of the network.
"use strict"
{
  const figures = JSON.parse(document.getElementById("figures").textContent)
  const night = matchMedia("(prefers-color-scheme: dark)")
  const PRINT = 180 / 25.4 // inches: the width of a page of a journal
  let printing = false
  const dark = () => night.matches && !printing

  function themed(layout, isDark) {
    const [text, line, faint, page] = isDark
      ? ["#e6ecef", "#5b6770", "#33424a", "#0e171c"]
      : ["#16242b", "#aeb9c2", "#e3e8eb", "#ffffff"]
    const out = {
      ...layout,
      autosize: true,
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: "Source Sans 3, system-ui, sans-serif", size: 13, color: text },
      hoverlabel: { bgcolor: page, bordercolor: line, font: { color: text } },
      modebar: { bgcolor: "rgba(0,0,0,0)", color: line, activecolor: text, orientation: "v" },
      dragmode: layout.dragmode ?? (matchMedia("(pointer: coarse)").matches ? false : "zoom"),
    }
    for (const name of Object.keys(layout)) {
      if (/^[xy]axis\d*$/.test(name)) out[name] = { gridcolor: faint, linecolor: line, tickcolor: line, ...layout[name] }
    }
    return out
  }

  function saver(format, name, figure) {
    const icon = { width: 24, height: 24, path: "M5 20h14v-2H5v2zM19 9h-4V3H9v6H5l7 7 7-7z" }
    return {
      name: `Save as ${format.toUpperCase()} at print size (180 mm wide)`,
      icon,
      click: (plot) => {
        const { data, layout } = figure()
        const width = Math.round(PRINT * 96)
        const height = Math.round((width * plot.clientHeight) / plot.clientWidth)
        const shown = { ...themed(layout, false), paper_bgcolor: "#fff", width, height, autosize: false }
        const scale = format === "png" ? 300 / 96 : 1
        Plotly.downloadImage({ data, layout: shown }, { format, width, height, scale, filename: name })
      },
    }
  }

  const settings = {} // one object a figure: Plotly takes a new one for another figure, and forgets the zoom

  function draw(key) {
    const plot = document.getElementById(key)
    const { name } = figures[key]
    const figure = (isDark) => (key === "cells" ? cellFigure(isDark) : structuredClone(figures[key][isDark ? "dark" : "light"]))
    const { data, layout } = figure(dark())
    settings[key] ??= {
      displaylogo: false,
      responsive: true,
      showSendToCloud: false,
      plotlyServerURL: "",
      modeBarButtonsToRemove: ["toImage", "select2d", "lasso2d", "autoScale2d"],
      modeBarButtonsToAdd: ["svg", "png"].map((format) => saver(format, name, () => figure(false))),
    }
    return Plotly.react(plot, data, themed(layout, dark()), settings[key])
  }

  function unpacked(text, Kind) {
    return new Kind(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer)
  }

  const cells = figures.cells
  if (cells) Object.assign(cells, { x: unpacked(cells.x, Float32Array), y: unpacked(cells.y, Float32Array) })
  const kind = cells && document.createElement("canvas").getContext("webgl") ? "scattergl" : "scatter"

  function cellFigure(isDark) {
    const chosen = cells.colours[Number(document.getElementById("cells-colour")?.value ?? 0)]
    const n = cells.x.length
    const step = kind === "scatter" ? Math.ceil(n / 8000) : 1 // without a graphics card, a share of the cells
    const size = n > 20000 ? 2.5 : n > 5000 ? 3.5 : 5
    const codes = chosen ? unpacked(chosen.codes, Uint8Array) : new Uint8Array(n)
    const labels = chosen?.labels ?? ["cell"]
    const palette = chosen ? chosen[isDark ? "dark" : "light"] : ["#0072B2"]
    const groups = palette.map(() => [[], []])
    for (let i = 0; i < n; i += step) {
      groups[codes[i]][0].push(cells.x[i])
      groups[codes[i]][1].push(cells.y[i])
    }
    const data = groups.map(([x, y], code) => ({
      type: kind,
      mode: "markers",
      x,
      y,
      name: chosen?.continuous ? "" : (labels[code] ?? ""),
      showlegend: Boolean(chosen && !chosen.continuous && x.length),
      marker: { color: palette[code], size, opacity: 0.8 },
      hoverinfo: chosen && !chosen.continuous ? "name" : "skip",
    }))
    if (chosen?.continuous) {
      data.push({
        type: "scatter", mode: "markers", x: [null], y: [null], showlegend: false,
        marker: {
          colorscale: palette.slice(0, -1).map((colour, i, all) => [i / (all.length - 1), colour]),
          cmin: 0, cmax: 1, color: [0], showscale: true,
          colorbar: { tickvals: [0, 1], ticktext: labels, thickness: 12, outlinewidth: 0 },
        },
      })
    }
    const axis = { visible: false, automargin: false }
    return {
      data,
      layout: {
        xaxis: { ...axis }, yaxis: { ...axis, scaleanchor: "x" }, dragmode: "pan", hovermode: "closest",
        margin: { l: 0, r: 0, t: 0, b: 0 }, legend: { itemsizing: "constant" }, uirevision: "cells",
      },
    }
  }

  const drawAll = () => Promise.all(Object.keys(figures).map(draw))
  drawAll().then(() => (document.documentElement.dataset.drawn = "yes"))
  document.getElementById("cells-colour")?.addEventListener("change", () => draw("cells"))
  night.addEventListener("change", drawAll)
  const ON_PAPER = { cells: 235, "before-and-after": 200 } // pixels: so that what was found is on the first page
  const heights = {}
  function sized() {
    for (const [key, { name }] of Object.entries(figures)) {
      const plot = document.getElementById(key)
      heights[key] ??= plot.style.height
      plot.style.height = (printing && ON_PAPER[name] && `${ON_PAPER[name]}px`) || heights[key]
    }
  }
  addEventListener("beforeprint", () => {
    printing = true
    sized()
    document.querySelectorAll("details").forEach((part) => (part.open = true))
    drawAll()
  })
  addEventListener("afterprint", () => {
    printing = false
    sized()
    drawAll()
  })
  for (const button of document.querySelectorAll(".copy")) {
    button.addEventListener("click", async () => {
      const text = button.previousElementSibling.textContent
      try {
        await navigator.clipboard.writeText(text)
      } catch {
        // a file opened from disk may not use the clipboard in every browser
        const range = document.createRange()
        range.selectNodeContents(button.previousElementSibling)
        getSelection().removeAllRanges()
        getSelection().addRange(range)
        document.execCommand("copy")
      }
      button.textContent = "Copied"
    })
  }
}
