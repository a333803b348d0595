"""A page that shows the lines of $PAYLOADS in every place of Streamlit, plain and escaped."""

import os
import sys
from pathlib import Path

import plotly.graph_objects as go
import streamlit as st

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from core.statistics import lean_of
from core.ui.parts import shares
from core.ui.parts.shares import Shares
from core.ui.session.escaping import close_page, escape

PIXEL = "data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA="
close_page()
st.set_page_config(page_title="sinks")


def shown(text: str, key: str) -> None:
    st.markdown(text)
    st.markdown(f"**{text}** and :small[:gray[{text}]]")
    st.caption(text)
    st.write(text)
    st.error(text)
    st.info(text, title=text)
    st.metric(text, "5", help=text)
    st.progress(0.5, text=text)
    st.button(text, key=f"b{key}", help=text)
    st.checkbox(text, key=f"c{key}")
    st.toggle(text, key=f"t{key}")
    st.radio(text, [text, "b"], captions=[text, "x"], key=f"r{key}")
    st.selectbox(text, [text, "b"], key=f"s{key}")
    st.multiselect(text, [text], default=[text], key=f"m{key}")
    st.pills(text, [text], key=f"p{key}")
    st.segmented_control(text, [text], key=f"g{key}")
    st.text_input(text, text, key=f"i{key}", placeholder=text)
    st.text_area(text, text, key=f"a{key}", help=text)
    st.number_input(text, 0, 5, key=f"n{key}")
    st.slider(text, 0, 5, key=f"l{key}")
    st.select_slider(text, [text, "b"], key=f"h{key}")
    with st.form(f"o{key}"):
        st.form_submit_button(text, help=text)
    st.status(text)
    st.toast(text)
    st.file_uploader(text, key=f"f{key}")
    st.download_button(text, b"x", file_name=text, key=f"d{key}")
    with st.expander(text):
        st.text(text)
    with st.popover(text):
        st.code(text)
    st.tabs([text, "other"])
    st.dataframe({text: [text]})
    st.table({text: [text]})
    st.image(PIXEL, caption=text, alt=text)
    st.badge(text)
    st.title(text)
    st.subheader(text)
    st.header(text, help=text)
    figure = go.Figure(go.Bar(x=[text, "b"], y=[1, 2], name=text, text=[text, "b"]))
    figure.update_layout(title=text, height=120)
    st.plotly_chart(figure, key=f"q{key}")
    lean = lean_of((5, 5), (3, 2))
    of_groups = Shares((text, "b"), {"before": lean}, [0.5, 0.5], text)
    shares.chart(of_groups, f"z{key}", text, text, 40, {"prompt": text})


for number, line in enumerate(Path(os.environ["PAYLOADS"]).read_text(encoding="utf-8").split("\n")):
    shown(line, f"{number}")
    with st.container(key=f"escaped-{number}"):
        st.markdown(f"x {escape(line)}")
st.markdown("all shown")
