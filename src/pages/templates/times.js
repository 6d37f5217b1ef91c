// Moments in the reader's zone and language; where this does not run they are in UTC.
const said = document.documentElement.lang;
const language = navigator.languages.find((tag) => tag.split("-")[0] === said) ?? said;
const form = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });
for (const time of document.querySelectorAll("time[datetime]")) {
  const moment = new Date(time.dateTime);
  if (!Number.isNaN(moment.getTime())) {
    time.title = time.textContent;
    time.textContent = form.format(moment);
  }
}
