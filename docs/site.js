// The stepper's page reads its colours from the hash of its address when it loads: give it the site's, and the height that it needs.
addEventListener('DOMContentLoaded', () => {
  const frame = document.querySelector('iframe.stepper'), root = document.documentElement;
  if (!frame) return;
  const follow = () => { frame.src = `stepper.html?${root.dataset.theme}#${root.dataset.theme}`; };
  const fit = page => { if (page) new ResizeObserver(() => { frame.style.height = `${page.body.offsetHeight}px`; }).observe(page.body); };
  frame.addEventListener('load', () => fit(frame.contentDocument));    // null where the browser keeps files apart (file://): the height of site.css stays
  new MutationObserver(follow).observe(root, {attributeFilter: ['data-theme']});
  follow();
});

// A click on a figure shows it at full size over the page, with the words that describe it; Escape or a click closes it.
addEventListener('DOMContentLoaded', () => {
  const box = document.createElement('dialog'), frame = document.createElement('div'), picture = new Image(), words = document.createElement('p');
  box.className = 'lightbox';
  frame.append(picture);
  box.append(frame, words);
  box.addEventListener('click', () => box.close());
  addEventListener('keydown', event => { if (event.key === 'Escape') box.close(); }, {capture: true});
  document.body.append(box);
  for (const link of document.querySelectorAll('a.full-size')) link.addEventListener('click', event => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    picture.src = link.href;
    picture.alt = link.querySelector('img').alt;
    const caption = link.closest('figure')?.querySelector('.caption-text');
    words.replaceChildren(caption ? caption.cloneNode(true) : picture.alt);
    box.showModal();
  });
});

// A click on the head of a sortable table orders its rows by that column, another one the other way round.
addEventListener('DOMContentLoaded', () => {
  const number = text => (/^[-+\d.,]+$/.test(text) ? parseFloat(text.replaceAll(',', '')) : NaN);
  for (const table of document.querySelectorAll('table.sortable')) table.querySelectorAll('thead th').forEach((head, column) => {
    const button = document.createElement('button');
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener('click', () => {
      const down = head.getAttribute('aria-sort') === 'ascending', body = table.tBodies[0];
      const key = row => row.cells[column].textContent.trim();
      const empty = (a, b) => !key(a) - !key(b);
      const order = (a, b) => (number(key(a)) - number(key(b))) || key(a).localeCompare(key(b), undefined, {numeric: true});
      const rows = [...body.rows].sort((a, b) => empty(a, b) || (down ? order(b, a) : order(a, b)));
      for (const other of table.querySelectorAll('th')) other.removeAttribute('aria-sort');
      head.setAttribute('aria-sort', down ? 'descending' : 'ascending');
      body.append(...rows);
    });
  });
});

// The arrows of the sidebar open what is below a page: their names are that page's, for whoever does not see them.
addEventListener('DOMContentLoaded', () => {
  for (const arrow of document.querySelectorAll('.has-children > details > summary')) {
    const page = arrow.closest('li').querySelector('a');
    arrow.setAttribute('aria-label', `pages of ${page.textContent.trim()}`);
  }
});
