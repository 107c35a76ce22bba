// Sends one file to the server and shows how far it is.
//
// The upload itself lives beside the page's elements, not in them: Streamlit may call this function again at any
// time, and somebody may look at another page meanwhile. Whoever is mounted shows the state as it is.

const KEY = Symbol.for("scvi-studio.upload")
const PHASES = { idle: "idle", checking: "checking", sending: "sending", reading: "reading", failed: "failed", done: "done" }

const upload = (window[KEY] ??= {
  phase: PHASES.idle,
  file: null,
  request: null,
  sent: 0,
  rate: 0, // bytes a second, smoothed
  lastAt: 0,
  lastSent: 0,
  reason: "",
  retry: false, // may the same file work when sent again?
  result: null,
  changed: () => {},
})

export default function (component) {
  const { parentElement, data, setTriggerValue } = component
  const find = selector => parentElement.querySelector(selector)
  const zone = find(".zone")
  if (!zone) return
  const input = find(".file")

  const choose = () => {
    input.value = "" // so that the same file can be chosen twice
    input.click()
  }
  input.accept = data.suffixes.join(",")
  input.onchange = () => input.files.length && begin(input.files[0], data)
  find(".choose").onclick = choose
  find(".other").onclick = choose
  find(".again").onclick = () => begin(upload.file, data)
  find(".cancel").onclick = cancel
  find(".hint").textContent = `${data.suffixes.join(" or ")}, up to ${bytes(data.max_bytes)}`

  zone.ondragover = event => {
    event.preventDefault()
    event.dataTransfer.dropEffect = busy() ? "none" : "copy"
    zone.classList.toggle("over", !busy())
  }
  zone.ondragleave = event => {
    if (!zone.contains(event.relatedTarget)) zone.classList.remove("over")
  }
  zone.ondrop = event => {
    event.preventDefault()
    zone.classList.remove("over")
    const files = event.dataTransfer.files
    if (busy() || !files.length) return
    if (files.length > 1) fail(files[0], "Please drop one file at a time.")
    else begin(files[0], data)
  }

  upload.changed = () => {
    show(find, zone)
    if (upload.phase === PHASES.done && upload.result) {
      const result = upload.result
      upload.result = null
      upload.phase = PHASES.idle
      setTriggerValue("uploaded", result)
      show(find, zone)
      find(".spoken").textContent = `${result.name} was uploaded.`
    }
  }
  upload.changed()

  return () => {
    upload.changed = () => {}
  }
}

const busy = () => [PHASES.checking, PHASES.sending, PHASES.reading].includes(upload.phase)

function begin(file, data) {
  const lower = file.name.toLowerCase()
  if (!data.suffixes.some(suffix => lower.endsWith(suffix))) {
    return fail(file, `“${file.name}” cannot be opened: the name must end in ${data.suffixes.join(" or ")}.`)
  }
  if (file.size > data.max_bytes) {
    return fail(
      file,
      `“${file.name}” is ${bytes(file.size)}, larger than the upload limit of ${bytes(data.max_bytes)}. ` +
        "Put the file into the server's data folder and use “Open from folder”.",
    )
  }
  if (!file.size) return fail(file, `“${file.name}” is empty. Copy or download it again.`)
  Object.assign(upload, { file, phase: PHASES.checking, sent: 0, rate: 0, lastAt: 0, lastSent: 0, reason: "" })
  window.addEventListener("beforeunload", warn)
  upload.changed()

  const query = `name=${encodeURIComponent(file.name)}`
  const mine = (upload.request = new XMLHttpRequest())
  mine.open("GET", `${data.url}?${query}&size=${file.size}`)
  mine.setRequestHeader(data.header, data.token)
  mine.onload = () => (mine.status === 200 ? send(file, data, query) : refused(file, mine))
  mine.onerror = () => fail(file, "The server does not respond. Is it still running?", true)
  mine.send()
}

function send(file, data, query) {
  const request = (upload.request = new XMLHttpRequest())
  request.open("POST", `${data.url}?${query}`)
  request.setRequestHeader(data.header, data.token)
  request.setRequestHeader("Content-Type", "application/octet-stream")
  request.upload.onprogress = event => {
    const now = performance.now()
    const seconds = (now - upload.lastAt) / 1000
    if (upload.lastAt && seconds < 0.25) return
    if (upload.lastAt) {
      const rate = (event.loaded - upload.lastSent) / seconds
      upload.rate = upload.rate ? 0.7 * upload.rate + 0.3 * rate : rate
    }
    Object.assign(upload, { sent: event.loaded, lastAt: now, lastSent: event.loaded })
    upload.changed()
  }
  request.upload.onload = () => {
    Object.assign(upload, { phase: PHASES.reading, sent: file.size })
    upload.changed()
  }
  request.onload = () => {
    if (request.status !== 200) return refused(file, request)
    settle(PHASES.done)
    upload.result = JSON.parse(request.responseText)
    upload.changed()
  }
  request.onerror = () =>
    fail(
      file,
      `The connection to the server broke after ${bytes(upload.sent)} of ${bytes(file.size)}. ` +
        "Check that the server is running and that the file has not changed, then try again.",
      true,
    )
  upload.phase = PHASES.sending
  upload.changed()
  request.send(file)
}

function cancel() {
  const request = upload.request
  settle(PHASES.idle)
  request?.abort()
  upload.changed()
}

function refused(file, request) {
  const aboutTheFile = request.status === 400 || request.status === 413
  fail(file, sentence(request), !aboutTheFile)
}

function fail(file, reason, retry = false) {
  settle(PHASES.failed)
  Object.assign(upload, { file, reason, retry })
  upload.changed()
}

function settle(phase) {
  upload.phase = phase
  upload.request = null
  window.removeEventListener("beforeunload", warn)
}

function warn(event) {
  event.preventDefault() // the browser asks before leaving while a file is on its way
}

function sentence(request) {
  try {
    return JSON.parse(request.responseText).error || "The server refused the file."
  } catch {
    return `The server refused the file (${request.status}).`
  }
}

function show(find, zone) {
  const { phase, file, sent, rate } = upload
  zone.classList.toggle("working", busy())
  find(".idle").hidden = busy() || phase === PHASES.failed
  find(".busy").hidden = !busy()
  find(".failed").hidden = phase !== PHASES.failed
  find(".again").hidden = !upload.retry
  find(".other").classList.toggle("main", !upload.retry)
  if (phase === PHASES.failed) find(".reason").textContent = upload.reason
  if (!busy()) return
  const total = file.size
  const percent = Math.floor((100 * sent) / total)
  const track = find(".track")
  track.classList.toggle("endless", phase !== PHASES.sending)
  track.setAttribute("aria-valuenow", percent)
  find(".name").textContent = file.name
  find(".bar").style.width = `${percent}%`
  find(".figures").textContent = figures(phase, sent, total, rate, percent)
}

function figures(phase, sent, total, rate, percent) {
  if (phase === PHASES.checking) return "Contacting the server …"
  if (phase === PHASES.reading) return "Uploaded. The server is checking that the file is complete …"
  const parts = [`${percent} %`, `${bytes(sent)} of ${bytes(total)}`]
  if (rate > 0) parts.push(`${bytes(rate)}/s`, `${duration((total - sent) / rate)} left`)
  return parts.join("  ·  ")
}

function bytes(count) {
  for (const [unit, size] of [["GB", 1e9], ["MB", 1e6], ["kB", 1e3]]) {
    if (count >= size) return `${(count / size).toFixed(count / size < 10 && count % size ? 1 : 0)} ${unit}`
  }
  return `${Math.round(count)} bytes`
}

function duration(seconds) {
  if (seconds < 60) return `${Math.max(1, Math.round(seconds))} s`
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`
  return `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min`
}
