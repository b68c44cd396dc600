"""axe-core on the guide. The stepper's tests ask it about the page and the live widget."""
import pytest
from test_stepper import browser, violations  # noqa: F401

from mambaflow.app.guide import save_guide


@pytest.mark.parametrize('scheme', ['light', 'dark'])
def test_guide_accessible(browser, tmp_path, scheme):  # noqa: F811
    page = browser.new_context(color_scheme=scheme).new_page()
    page.goto(save_guide(tmp_path/'guide.html').as_uri())
    page.wait_for_selector('body[data-ready]')
    assert violations(page, 'body') == []
