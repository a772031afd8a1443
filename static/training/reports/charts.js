// What the pages' charts share: the colours and the type of the site.

const style = getComputedStyle(document.documentElement);

/** Return the value of a colour token, such as "accent". */
export const colour = (name) => style.getPropertyValue(`--${name}`).trim();

export function axis(title = "", more = {}) {
  return {
    title: { display: Boolean(title), text: title, color: colour("ink-soft") },
    ticks: { color: colour("ink") },
    grid: { color: colour("line") },
    border: { display: false },
    ...more,
  };
}

Chart.defaults.font.family = style.getPropertyValue("--font");
Chart.defaults.font.size = 13;
Chart.defaults.animation = false;
