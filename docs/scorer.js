// How the search ranks what it finds: pages that answer a question first, single runs last.
var Scorer = {
  score: result => {
    const [page, , , , score] = result;
    if (page.startsWith('how_to/')) return score + 20;
    if (page.startsWith('reports/')) return score - 20;
    return score;
  },
  objNameMatch: 11, objPartialMatch: 6, objPrio: {0: 15, 1: 5, 2: -5}, objPrioDefault: 0,
  title: 15, partialTitle: 7, term: 5, partialTerm: 2,
};
