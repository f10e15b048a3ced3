"""How the living widgets look: one style sheet, included once per panel. Their pictures are cards of `tunebook.show`.

Colours come from the front end's own theme where it has variables for them (JupyterLab, Notebook 7, VS Code) and
from `currentColor` where not, so the same HTML is legible in light and in dark. States and tones carry a word and a
symbol beside their colour.
"""

from __future__ import annotations

from tunebook.palette import TONES, TRAIN

_TONES = "".join(f".tb .tb-{name}{{--tone:{tone.colour}}}" for name, tone in TONES.items() if name != "note")
CSS = (
    """
.tb{--tb-line:var(--jp-border-color2,var(--vscode-widget-border,rgba(128,128,128,.35)));
--tb-soft:var(--jp-layout-color2,var(--vscode-textBlockQuote-background,rgba(128,128,128,.1)));
--tb-muted:var(--jp-ui-font-color2,var(--vscode-descriptionForeground,currentColor));
color:var(--jp-ui-font-color1,var(--vscode-editor-foreground,currentColor));
font-family:var(--jp-ui-font-family,system-ui,sans-serif);font-size:13px;line-height:1.5;max-width:960px}
.tb *{box-sizing:border-box}
.tb .tb-muted{color:var(--tb-muted)}
.tb .tb-mono{font-family:var(--jp-code-font-family,ui-monospace,monospace);font-size:12px}
.tb .tb-head{display:flex;flex-wrap:wrap;gap:4px 12px;align-items:baseline;margin:0 0 2px}
.tb .tb-title{font-size:15px;font-weight:600}
.tb .tb-push{margin-left:auto}
.tb .tb-chip{display:inline-block;min-width:86px;text-align:center;padding:0 8px;border-radius:10px;
border:1px solid var(--tone);font-weight:600;font-size:12px;line-height:20px;white-space:nowrap}
.tb .tb-sign{color:var(--tone)}
.tb .tb-rest{--tone:var(--tb-muted)}
"""
    f".tb .tb-go{{--tone:{TRAIN}}}.tb .tb-wait{{--tone:{TONES['warning'].colour}}}{_TONES}"
    """
.tb .tb-line{min-height:20px}
.tb .tb-bar{position:relative;height:10px;border-radius:5px;background:var(--tb-soft);
border:1px solid var(--tb-line);overflow:hidden;margin:6px 0 2px}
.tb .tb-bar>i{position:absolute;left:0;top:0;bottom:0;background:var(--tone)}
.tb .tb-bar>b{position:absolute;top:0;bottom:0;width:1px;background:var(--tb-line)}
.tb .tb-under{display:flex;flex-wrap:wrap;gap:0 14px;color:var(--tb-muted);min-height:20px}
.tb .tb-notice{border-left:3px solid var(--tone);background:var(--tb-soft);padding:4px 10px;margin:6px 0}
.tb .tb-code-to-type{font-family:var(--jp-code-font-family,ui-monospace,monospace);font-size:20px;font-weight:600;
letter-spacing:.12em;margin:4px 0;user-select:all}
.tb .tb-code{position:relative}
.tb .tb-code pre{white-space:pre-wrap!important;overflow:visible!important;overflow-wrap:anywhere}
.tb .tb-code button{position:absolute;top:4px;right:4px;font:inherit;font-size:12px;color:inherit;cursor:pointer;
background:var(--jp-layout-color1,var(--vscode-editor-background,transparent));border:1px solid var(--tb-line);
border-radius:3px;padding:1px 8px}
.tb .tb-notice a{color:inherit;text-decoration:underline}
.tb h4{margin:0 0 2px;font-size:12px;font-weight:600;color:var(--tb-muted)}
.tb h4.tb-group{margin:10px 0 2px;color:inherit;border-bottom:1px solid var(--tb-line)}
.tb svg{display:block;max-width:100%;overflow:visible}
.tb table{color:inherit;border:0}
.tb .tb-note{font-size:12px;line-height:1.4;color:var(--tb-muted);margin:0;overflow-wrap:anywhere}
.tb .tb-note.tb-bad,.tb .tb-note.tb-warning{color:inherit}
.tb .tb-answer{white-space:pre-wrap;overflow-wrap:anywhere;border:1px solid var(--tb-line);border-radius:4px;
padding:6px 10px;min-height:34px;margin:2px 0 4px;background:var(--tb-soft)}
.tb .tb-gauges{display:grid;grid-template-columns:max-content 120px max-content;gap:0 12px;color:var(--tb-muted)}
.tb .tb-gauges meter{width:120px;align-self:center}
.tb-form,.tb-live{container-type:inline-size}
@container (max-width:716px){.tb-beside{margin:0 0 6px 168px!important;min-height:0!important}}
@container (max-width:760px){.tb-live-side{min-height:240px!important}}
@container (max-width:560px){.tb td{overflow-wrap:anywhere}}
"""
)


def style_tag() -> str:
    """The style sheet as one `<style>` element."""
    return f"<style>{CSS}</style>"
