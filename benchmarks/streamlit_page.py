"""What the lesson's dashboard shows, in Streamlit: started by `beside_streamlit.py` in an environment of its own.

Its inference is left out, which spares it the loading of a model.
"""

import json
import os

import pandas as pd
import streamlit as st


@st.cache_data
def load_projects() -> pd.DataFrame:
    """Read the projects once for all visitors."""
    return pd.read_csv(os.environ["PROJECTS"])


@st.cache_data
def load_performance() -> dict:
    """Read the figures once for all visitors."""
    with open(os.environ["PERFORMANCE"], encoding="utf-8") as file:
        return json.load(file)


projects, performance = load_projects(), load_performance()
st.title("Projects")
st.header("Data")
st.text(f"Projects (count: {len(projects)})")
st.dataframe(projects)
st.header("Performance")
st.metric("Overall F1", f"{performance['overall']['f1']:.3f}")
tag = st.selectbox("Tag", list(performance["class"]))
st.metric("F1 of the tag", f"{performance['class'][tag]['f1']:.3f}")
part = st.selectbox("Slice", list(performance["slices"]))
st.metric("F1 of the slice", f"{performance['slices'][part]['f1']:.3f}")
