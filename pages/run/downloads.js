// Links that say so while the server still builds the file, and show its sentence when it cannot.

async function fetchThenSave(link, note) {
  const label = link.firstChild.textContent
  link.setAttribute("aria-busy", "true")
  note.textContent = "The server is preparing the file; this takes a moment for large data sets."
  try {
    const answer = await fetch(link.href, { headers: { Range: "bytes=0-0" } })
    if (!answer.ok) throw new Error((await answer.text()) || `The server answered ${answer.status}.`)
    await answer.body?.cancel()
    note.textContent = `${label}: the download has started.`
    const save = document.createElement("a")
    save.href = link.href
    save.download = ""
    save.click()
  } catch (error) {
    note.textContent = error instanceof TypeError ? "The server does not respond. Is it still running?" : error.message
  } finally {
    link.removeAttribute("aria-busy")
  }
}

export default function (component) {
  const root = component.parentElement
  const list = root.querySelector(".downloads")
  const note = root.querySelector(".downloads-note")
  if (!list || !component.data) return
  const wanted = JSON.stringify(component.data.files)
  if (list.dataset.files === wanted) return
  list.dataset.files = wanted
  list.replaceChildren(...component.data.files.map((file) => {
    const link = document.createElement("a")
    link.href = file.url
    link.setAttribute("download", "")
    const title = document.createElement("strong")
    title.textContent = file.title
    const what = document.createElement("span")
    what.textContent = file.what
    link.append(title, what)
    link.onclick = (event) => {
      event.preventDefault()
      if (!link.hasAttribute("aria-busy")) fetchThenSave(link, note)
    }
    return link
  }))
}
