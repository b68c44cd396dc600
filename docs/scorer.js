// How the search ranks what it finds: pages that answer the question first, then pages with all words, single runs last.
var Scorer = {
  score: result => {
    const [page, , , , score] = result;
    if (page.startsWith('how_to/')) return score + 8;      // still below an exact title
    if (page.startsWith('reports/')) return score - 20;
    return score;
  },
  objNameMatch: 11, objPartialMatch: 6, objPrio: {0: 15, 1: 5, 2: -5}, objPrioDefault: 0,
  title: 15, partialTitle: 7, term: 5, partialTerm: 2,
};

// Sphinx finds a page only if it holds every word that was typed. A reader's words are others: those of a line mean the same here.
const SAME = [
  'image picture photo jpeg png', 'data dataset', 'network model architecture backbone', 'weight checkpoint pretrained',
  'resume continue restart stopped interrupted killed crash preempted', 'memory oom vram', 'install installation setup dependency requirement pip',
  'several two four eight multiple many parallel ddp torchrun', 'gpu gpus cuda card', 'cluster slurm kubernetes', 'rented rent cloud', 'machine node server',
  'nan inf infinity diverge explode blow', 'mesh obj ply glb stl', 'export save write', 'fast faster speed slow kernel', 'best better winner win',
  'result finding found', 'version reproduce', 'sample draw generate', 'begin start beginner introduction quickstart', 'play try demo interactive', 'add new create implement write',
];
const ANSWERS = 3, OTHERS = 20, UNKNOWN = 1, SURE = .5, LIKE = .8, TEXT = .3;     // how many; weights, from 0 to 1

const stems = text => splitQuery(text.toLowerCase()).filter(word => !stopwords.has(word)).map(word => new Stemmer().stemWord(word));
const listed = value => (value === undefined ? [] : [value].flat());
let alike, candidates;

function prepareAnswers() {
  // what a page can be found by: its questions (docs/questions.yaml, as main entries of the index), its title and its headings
  alike = new Map();
  for (const group of SAME.map(stems)) for (const stem of group) alike.set(stem, new Set([...alike.get(stem) ?? [], ...group]));
  const {docnames, titles, alltitles, indexentries} = Search._index;
  const asked = Object.entries(indexentries).flatMap(([text, places]) => places.filter(place => place[2]).map(([file]) => ({file, text: QUESTIONS[text] ?? text, anchor: ''})));
  const answering = new Set(asked.map(entry => entry.file));
  docnames.forEach((name, file) => { if (/^how_to\/(?!index)/.test(name)) answering.add(file); });
  const headed = Object.entries(alltitles).flatMap(([text, places]) => places.map(([file, id]) => ({file, text, anchor: id ? `#${id}` : ''})));
  candidates = [...asked, ...headed.filter(entry => answering.has(entry.file))];
  for (const entry of candidates) {
    entry.words = new Set(stems(entry.text));
    if (entry.text === titles[entry.file]) entry.anchor = '';
  }
}

const match = (term, words) => (words.has(term) ? 1 : [...alike.get(term) ?? []].some(other => words.has(other)) ? LIKE : 0);

function answersTo(terms) {
  // pages that answer, the best last, with the question or the heading that matched
  const {docnames, titles, filenames, terms: texts} = Search._index;
  const pages = new Map();
  for (const entry of candidates) pages.set(entry.file, [...pages.get(entry.file) ?? [], entry]);
  const rarity = term => {
    const found = [...pages.values()].filter(entries => entries.some(entry => match(term, entry.words))).length;
    return found ? Math.log((pages.size + 1) / (found + .5)) : UNKNOWN;
  };
  const weights = terms.map(rarity), whole = weights.reduce((a, b) => a + b, 0);
  const share = value => terms.reduce((sum, term, i) => sum + weights[i] * value(term), 0) / whole;
  const found = [];
  for (const [file, entries] of pages) {
    const known = share(term => Math.max(...entries.map(entry => match(term, entry.words))));
    if (known < SURE) continue;
    const inText = share(term => +listed(texts[term]).includes(file));
    const rated = entries.map(entry => [share(term => match(term, entry.words)) - entry.words.size / 1000, entry]);
    const [best, entry] = rated.reduce((a, b) => (b[0] > a[0] ? b : a));
    const words = entry.text === titles[file] ? null : entry.text;
    found.push([docnames[file], titles[file], entry.anchor, words, best + TEXT * (known + inText), filenames[file], 'title']);
  }
  return found.sort((a, b) => a[4] - b[4]).slice(-ANSWERS);
}

function someWords(terms) {
  // pages that hold some of the words, the best last: for a question that no page holds whole
  const {docnames, titles, filenames, terms: texts, titleterms} = Search._index, scores = new Map();
  for (const term of terms) {
    const files = listed(texts[term]), rarity = Math.log((docnames.length + 1) / (files.length + .5));
    for (const file of files) scores.set(file, (scores.get(file) ?? 0) + rarity);
    for (const file of listed(titleterms[term])) scores.set(file, (scores.get(file) ?? 0) + rarity);
  }
  const found = [...scores].map(([file, score]) => [docnames[file], titles[file], '', null, Scorer.score([docnames[file],,,, 10 * score]), filenames[file], 'text']);
  return found.sort((a, b) => a[4] - b[4]).slice(-OTHERS);
}

if (typeof Search !== 'undefined') {
  // what stands below a result begins with the page's own words, not with the way to it
  const textOf = Search.htmlToText;
  Search.htmlToText = (html, anchor) => {
    const page = new DOMParser().parseFromString(html, 'text/html');
    for (const e of page.querySelectorAll('.bd-header-article, .prev-next-footer')) e.remove();
    return textOf(page.documentElement.outerHTML, anchor);
  };
  const allWords = Search._performSearch;
  Search._performSearch = (query, searchTerms, ...rest) => {
    if (!candidates) prepareAnswers();
    const terms = [...searchTerms], whole = allWords(query, searchTerms, ...rest);
    const answers = terms.length ? answersTo(terms) : [];
    const some = whole.length + answers.length < OTHERS ? someWords(terms) : [];
    const anchors = new Map(answers.map(([page, , anchor]) => [page, anchor]));
    const others = whole.filter(([page, , anchor]) => !anchors.has(page) || !['', anchors.get(page)].includes(anchor) && !anchor.startsWith('#index-'));
    const seen = new Set([...answers, ...others].map(result => result[0]));
    return [...some.filter(result => !seen.has(result[0])), ...others, ...answers];         // the last one is shown first
  };
}
