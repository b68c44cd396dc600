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
